#pragma once

#include "auth/diagnosis/diagnosis.h"
#include "plugin/contract/codes.h"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

// The tables of diagnosis.cpp, a file for each family. Within a table the first row that fits counts: the special before the general.
namespace auth::diagnosis {

/// One cause and how it is mended: a line of `fix` is a step. What stands in braces is filled in, see placeholders(). Where several tables lead to
/// the same cause they share the row.
struct Row {
    std::string_view id;
    std::string_view cause;
    std::string_view fix;
};

/// By numbers of the provider's, any of them.
struct NumberedRow {
    std::array<std::int64_t, 10> numbers;  ///< 0: unused
    Row row;
};

/// By what is said, any of the phrases, whatever the case. One made of a-z and _ alone is a name: it must stand as a word of its own.
struct WordedRow {
    std::array<std::string_view, 5> phrases;  ///< "": unused
    Row row;
};

/// By what is known beside the error.
struct JudgedRow {
    bool (*fits)(const Case& seen);
    Row row;
};

struct CodedRow {
    plugin::Code code;
    Row row;
};

std::span<const NumberedRow> entraRows();       ///< AADSTS numbers
std::span<const JudgedRow> tokenFaultRows();    ///< the token itself is not what the mailbox wants
std::span<const JudgedRow> tokenInOrderRows();  ///< it is, and yet the mailbox stays closed
std::span<const JudgedRow> tooOpenRows();       ///< a mailbox opens that should not; the last fits always
std::span<const WordedRow> googleTokenRows();   ///< Google's token endpoint
std::span<const WordedRow> oauthRows();         ///< `error` of a token endpoint
std::span<const WordedRow> googleMailRows();    ///< Gmail's IMAP and POP3
std::span<const WordedRow> exchangeRows();      ///< EWS, Graph, x-ms-diagnostics
std::span<const WordedRow> imapRows();          ///< response codes of any server
std::span<const WordedRow> challengeRows();     ///< the JSON that comes with a refused token (RFC 7628 section 3.2.2)
std::span<const CodedRow> codeRows();

/// Every row of every table.
std::vector<Row> allRows();
/// "{user}", "{credential}", …: all that may stand in a row.
std::vector<std::string_view> placeholders();

/// What the token of a mailbox should be for, by the mailbox's protocol.
struct Expectation {
    std::string_view protocol;              ///< "imap"
    std::string_view name;                  ///< for people
    std::string_view api;                   ///< as Entra's pages call it
    std::array<std::string_view, 3> roles;  ///< any of them will do; the first is the one to ask for
    std::string_view scope;                 ///< of a user, without its resource
    std::string_view enable;                ///< the switch of Set-CASMailbox; "": none
};
const Expectation& expectation(std::string_view protocol);

/// Of the clocks of two machines this much is normal.
inline constexpr std::int64_t clockTolerance = 60;

inline constexpr Row clockWrong{"clock-wrong", "this machine's clock is wrong, or the token endpoint's{clock}",
                                "set this machine's clock: timedatectl set-ntp true\ntimedatectl status"};

}  // namespace auth::diagnosis
