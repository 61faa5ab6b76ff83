#include "auth/diagnosis/diagnosis.h"

#include "auth/diagnosis/rows.h"
#include "auth/token/provider_preset.h"
#include "plugin/contract/letters.h"
#include "plugin/contract/text.h"

#include <algorithm>
#include <charconv>
#include <functional>

namespace auth::diagnosis {

namespace {

using plugin::Code;

constexpr std::string_view lowerLetters = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view idCharacters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";

bool isNamePart(char c) { return c == '_' || lowerLetters.find(c) != std::string_view::npos; }
bool isName(std::string_view phrase) { return std::all_of(phrase.begin(), phrase.end(), isNamePart); }

/// Both in lower case.
bool says(std::string_view text, std::string_view phrase) {
    const bool word = isName(phrase);
    for (auto at = text.find(phrase); at != std::string_view::npos; at = text.find(phrase, at + 1)) {
        const auto end = at + phrase.size();
        if (!word || ((at == 0 || !isNamePart(text[at - 1])) && (end == text.size() || !isNamePart(text[end])))) return true;
    }
    return false;
}

/// "AADSTS7000215 trace_id=…" in the provider's own details or in the text.
std::vector<std::int64_t> numbersIn(const plugin::Error& error) {
    static constexpr std::string_view mark = "AADSTS";
    std::vector<std::int64_t> numbers;
    for (std::string_view text : {std::string_view(error.provider), std::string_view(error.what)})
        for (auto at = text.find(mark); at != std::string_view::npos; at = text.find(mark)) {
            text.remove_prefix(at + mark.size());
            std::int64_t number = 0;
            if (std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc{} && number != 0) numbers.push_back(number);
        }
    return numbers;
}

const Row* byNumber(const std::vector<std::int64_t>& numbers) {
    for (const auto& each : entraRows())
        for (const auto number : numbers)
            if (std::find(each.numbers.begin(), each.numbers.end(), number) != each.numbers.end()) return &each.row;
    return nullptr;
}

const Row* byJudgement(std::span<const JudgedRow> rows, const Case& seen) {
    const auto found = std::find_if(rows.begin(), rows.end(), [&](const JudgedRow& each) { return each.fits(seen); });
    return found == rows.end() ? nullptr : &found->row;
}

const Row* byWords(std::span<const WordedRow> rows, std::string_view text) {
    for (const auto& each : rows)
        for (const auto phrase : each.phrases)
            if (!phrase.empty() && says(text, phrase)) return &each.row;
    return nullptr;
}

const Row* byCode(Code code) {
    const auto rows = codeRows();
    const auto found = std::find_if(rows.begin(), rows.end(), [&](const CodedRow& each) { return each.code == code; });
    return found == rows.end() ? nullptr : &found->row;
}

const Row* rowFor(const Case& seen) {
    if (const auto* row = byNumber(numbersIn(seen.error))) return row;
    const auto code = seen.error.code;
    const auto area = plugin::areaOf(code);
    const auto text = plugin::lowerCase(seen.error.what + " " + seen.error.provider);
    if (area == plugin::Area::token) {
        if (const auto* row = byWords(googleTokenRows(), text)) return row;
        if (const auto* row = byCode(code)) return row;
        return byWords(oauthRows(), text);
    }
    if (area == plugin::Area::mailbox) {
        const bool refused = code == Code::mailboxSignInRefused || code == Code::mailboxAccess;
        const bool byToken = refused || code == Code::mailboxWrongAudience || code == Code::mailboxEwsForbidden;
        const Row* row = byToken ? byJudgement(tokenFaultRows(), seen) : nullptr;
        for (const auto rows : {googleMailRows(), exchangeRows(), imapRows()})
            if (row == nullptr) row = byWords(rows, text);
        if (row == nullptr && refused) row = byJudgement(tokenInOrderRows(), seen);
        if (row == nullptr) row = byWords(challengeRows(), text);
        if (row != nullptr) return row;
    }
    return byCode(code);
}

/// What is to be pasted into a shell is made of what ids are made of.
std::string idOr(const std::string& value, std::string_view otherwise) {
    return value.empty() || value.find_first_not_of(idCharacters) != std::string::npos ? std::string(otherwise) : value;
}

std::string claim(const Case& seen, std::string Claims::*member) { return seen.claims ? (*seen.claims).*member : std::string{}; }

/// The host and the tenant in https://login.microsoftonline.com/TENANT/oauth2/v2.0/token.
struct Login {
    std::string host, tenant;
};
Login loginOf(std::string_view endpoint) {
    const auto scheme = endpoint.find("://");
    if (scheme == std::string_view::npos) return {};
    endpoint.remove_prefix(scheme + 3);
    const auto slash = std::min(endpoint.find('/'), endpoint.size());
    const auto path = endpoint.substr(std::min(slash + 1, endpoint.size()));
    const auto end = path.find("/oauth2/");
    return {std::string(endpoint.substr(0, slash)), end == std::string_view::npos ? std::string{} : std::string(path.substr(0, end))};
}

std::string application(const Case& seen) {
    const auto claimed = claim(seen, &Claims::application);
    return idOr(claimed.empty() ? seen.application : claimed, "<application id>");
}

std::string tenant(const Case& seen) {
    const auto claimed = claim(seen, &Claims::tenant);
    auto named = claimed.empty() ? loginOf(seen.tokenEndpoint).tenant : claimed;
    std::erase(named, '.');  // contoso.onmicrosoft.com is as good as an id
    if (idOr(named, "").empty()) return "<tenant id>";
    return claimed.empty() ? loginOf(seen.tokenEndpoint).tenant : claimed;
}

/// Where an administrator consents for a whole tenant (learn.microsoft.com/entra/identity-platform/v2-admin-consent).
std::string consentUrl(const Case& seen) {
    static constexpr std::array<std::string_view, 3> hosts{"login.microsoftonline.us", "login.partner.microsoftonline.cn", "login.chinacloudapi.cn"};
    const auto host = loginOf(seen.tokenEndpoint).host;
    const bool known = std::find(hosts.begin(), hosts.end(), host) != hosts.end();
    return "https://" + (known ? host : "login.microsoftonline.com") + "/" + tenant(seen) + "/adminconsent?client_id=" + application(seen);
}

/// The mailbox's address, in quotation marks where a shell needs them.
std::string address(const std::string& user) {
    if (user.empty()) return "<mailbox>";
    const bool plainly = user.front() != '-' && user.front() != '@';  // a parameter, or splatting
    if (plainly && user.find_first_not_of(std::string(idCharacters) + "@._+") == std::string::npos) return user;
    std::string quoted;
    for (std::size_t i = 0; i < user.size(); ++i) {
        // PowerShell takes U+2018 to U+201B for its ', too.
        const bool curly = user.compare(i, 2, "\xe2\x80") == 0 && i + 2 < user.size() && user[i + 2] >= '\x98' && user[i + 2] <= '\x9b';
        const auto mark = curly ? user.substr(i, 3) : user.substr(i, 1);
        quoted += mark;
        if (curly || mark == "'") quoted += mark;
        i += mark.size() - 1;
    }
    return "'" + quoted + "'";
}

/// "(status 401, scope https://mail.google.com/)": the scope a challenge names.
std::string wanted(const Case& seen) {
    const std::string_view text = seen.error.what;
    const auto challenge = text.find("(status ");
    const auto scope = challenge == std::string_view::npos ? challenge : text.find("scope ", challenge);
    if (scope == std::string_view::npos) return "<the scopes the server documents>";
    return std::string(text.substr(scope + 6, text.find(')', scope) - scope - 6));
}

std::string clockText(const Case& seen) {
    const auto offset = seen.clockOffset ? seen.clockOffset : clockOffsetIn(seen.error);
    return offset && isWorthAWord(*offset) ? ", which is " + describeOffset(*offset) : std::string{};
}

/// Microsoft's cloud of the credential, else the one its tokens come from; the worldwide one where nothing tells.
const ProviderPreset& cloudOf(const Case& seen) {
    if (const auto* const named = presetCalled(seen.provider); named != nullptr && named->microsoft) return *named;
    const auto* const known = presetOfAuthority(loginOf(seen.tokenEndpoint).host);
    return known != nullptr ? *known : *presetCalled("microsoft365");
}

struct Placeholder {
    std::string_view name;
    std::string (*value)(const Case& seen);
};
constexpr std::array fillings{
    Placeholder{"{user}", [](const Case& seen) { return address(seen.user); }},
    Placeholder{"{credential}", [](const Case& seen) { return seen.credential.empty() ? "<name>" : seen.credential; }},
    Placeholder{"{mailbox}", [](const Case& seen) { return seen.mailbox.empty() ? "<alias>" : seen.mailbox; }},
    Placeholder{"{appid}", application},
    Placeholder{"{oid}", [](const Case& seen) { return idOr(claim(seen, &Claims::object), "<object id of the enterprise application>"); }},
    Placeholder{"{consent}", consentUrl},
    Placeholder{"{aud}", [](const Case& seen) { return seen.claims && !seen.claims->audience.empty() ? seen.claims->audience.front() : "nobody"; }},
    Placeholder{"{wanted}", wanted},
    Placeholder{"{clock}", clockText},
    Placeholder{"{name}", [](const Case& seen) { return std::string(expectation(seen.protocol).name); }},
    Placeholder{"{resource}", [](const Case& seen) { return cloudOf(seen).scopes(seen.protocol, true); }},
    Placeholder{"{api}", [](const Case& seen) { return std::string(expectation(seen.protocol).api); }},
    Placeholder{"{role}", [](const Case& seen) { return std::string(expectation(seen.protocol).roles.front()); }},
    Placeholder{"{approle}",
                [](const Case& seen) {
                    return "Application " + std::string(seen.protocol == "ews" ? "EWS.AccessAsApp" : expectation(seen.protocol).roles.front());
                }},
    Placeholder{"{scope}", [](const Case& seen) { return std::string(expectation(seen.protocol).scope); }},
    Placeholder{"{userscope}",
                [](const Case& seen) {
                    const auto scopes = cloudOf(seen).scopes(seen.protocol, false);
                    return scopes.substr(0, scopes.find(' '));  // without offline_access
                }},
    Placeholder{"{enable}", [](const Case& seen) { return std::string(expectation(seen.protocol).enable); }},
};

std::string filled(std::string_view text, const Case& seen) {
    std::string out;
    while (!text.empty()) {
        const auto brace = std::min(text.find('{'), text.size());
        out += text.substr(0, brace);
        text.remove_prefix(brace);
        if (text.empty()) break;
        const auto* known = std::find_if(fillings.begin(), fillings.end(), [&](const auto& each) { return text.starts_with(each.name); });
        if (known == fillings.end()) {
            out += text.front();
            text.remove_prefix(1);
            continue;
        }
        out += known->value(seen);
        text.remove_prefix(known->name.size());
    }
    return out;
}

Diagnosis filledIn(const Row& row, const Case& seen) {
    Diagnosis found{std::string(row.id), filled(row.cause, seen), {}};
    for (std::string_view rest = row.fix; !rest.empty();) {
        const auto end = std::min(rest.find('\n'), rest.size());
        found.fix.push_back(filled(rest.substr(0, end), seen));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return found;
}

}  // namespace

std::optional<Diagnosis> diagnose(const Case& seen) {
    const auto* row = rowFor(seen);
    return row == nullptr ? std::nullopt : std::optional(filledIn(*row, seen));
}

Diagnosis opensTooMuch(const Case& seen) { return filledIn(*byJudgement(tooOpenRows(), seen), seen); }

std::vector<plugin::Field> logFields(const Case& seen) {
    using plugin::Reaction;
    const bool forPeople = seen.error.reaction == Reaction::askOperator || seen.error.reaction == Reaction::reauthenticate;
    const auto found = forPeople ? diagnose(seen) : std::nullopt;
    std::vector<plugin::Field> fields;
    if (!found) return fields;
    if (seen.error.what.find(found->cause) == std::string::npos) fields.emplace_back("cause", found->cause);
    fields.emplace_back("fix", found->fix.front());
    return fields;
}

std::string jsonOf(const Diagnosis& diagnosis) {
    std::string steps;
    for (const auto& step : diagnosis.fix) steps += (steps.empty() ? "" : ", ") + plugin::jsonText(step);
    return "{\"id\": " + plugin::jsonText(diagnosis.id) + ", \"cause\": " + plugin::jsonText(diagnosis.cause) + ", \"fix\": [" + steps + "]}";
}

std::string entraCause(std::int64_t number) {
    const auto* row = number == 0 ? nullptr : byNumber({number});
    return row == nullptr ? std::string{} : filled(row->cause, Case{{plugin::Reaction::askOperator, Code::tokenRequestRefused, {}}});
}

std::optional<std::chrono::seconds> clockOffsetIn(const plugin::Error& error) {
    const auto at = error.provider.find(clockOffsetName);
    if (at == std::string::npos) return std::nullopt;
    std::int64_t seconds = 0;
    const auto* begin = error.provider.data() + at + clockOffsetName.size();
    if (std::from_chars(begin, error.provider.data() + error.provider.size(), seconds).ec != std::errc{}) return std::nullopt;
    return std::chrono::seconds(seconds);
}

bool isWorthAWord(std::chrono::seconds offset) { return std::abs(offset.count()) > clockTolerance; }

std::string describeOffset(std::chrono::seconds offset) {
    return std::to_string(std::abs(offset.count())) + " s " + (offset.count() < 0 ? "behind" : "ahead of") + " this machine's";
}

std::vector<Row> allRows() {
    std::vector<Row> all;
    const auto add = [&all](const auto& rows) {
        for (const auto& each : rows) all.push_back(each.row);
    };
    add(entraRows());
    for (const auto rows : {tokenFaultRows(), tokenInOrderRows(), tooOpenRows()}) add(rows);
    for (const auto rows : {googleTokenRows(), oauthRows(), googleMailRows(), exchangeRows(), imapRows(), challengeRows()}) add(rows);
    add(codeRows());
    return all;
}

std::vector<std::string_view> placeholders() {
    std::vector<std::string_view> names;
    for (const auto& each : fillings) names.push_back(each.name);
    return names;
}

}  // namespace auth::diagnosis
