#pragma once

#include "tests/servers/imap_client.h"
#include "tests/system/throttling.h"
#include "tests/system/workplace.h"

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace systemtest {

/// A mailbox nobody has used, at a server of one protocol, as seen by those who write to it and by its owner: by imap at the Dovecot of the test's
/// surroundings, by ews and graph at a server in this process, which renders messages anew whenever they are fetched. All of it in folders by the
/// names the program knows them under. Any thread, one at a time.
class Postbox {
public:
    using Mail = servers::ImapClient::Mail;
    /// A mail of those that were put in.
    struct Lying {
        std::string digest;  ///< SHA-256 of the octets that were put in
        bool seen = false;
    };
    virtual ~Postbox() = default;
    virtual std::string protocol() const = 0;
    virtual std::string user() const = 0;
    /// credential.<name>.*, which signs in to it.
    virtual std::string credential(const Workplace& place, const std::string& name) const = 0;
    /// The same over a line without TLS.
    virtual std::string plainCredential(const Workplace& place, const std::string& name) const { return credential(place, name); }
    /// mailbox.<alias>.*, delivering to sink "spool", start = all.
    virtual std::string mailbox(const std::string& alias, const std::string& credential) const = 0;
    /// Where its server listens without TLS, and what to write where it is reached by another port, as through a relay.
    virtual std::uint16_t plainPort() const = 0;
    virtual std::string mailboxAt(std::uint16_t port, const std::string& alias, const std::string& credential) = 0;

    virtual void put(const std::vector<Mail>& mails) = 0;
    virtual std::vector<Lying> in(const std::string& folder) = 0;
    virtual std::string bin() const { return {}; }  ///< the folder in which lies what was deleted; "": it is gone
    /// Which of the mails was handed out with octets of this SHA-256: its own; "": none ever was.
    virtual std::string original(const std::string& digest) const { return digest; }
    virtual std::size_t handedOut() const = 0;                        ///< how often a mail was; 0 where nobody counts
    virtual void programDied() {}                                     ///< by force, so that it took no leave
    virtual std::vector<std::string> problems() const { return {}; }  ///< what no client may ask
    virtual std::size_t looks() const { return 0; }  ///< how often the program has begun to listen, or has looked for mail; 0 where nobody counts

    /// Of one that makePostboxes() has made: its server refuses the next request like that.
    virtual void refuse(const Refusal& refusal) = 0;
    const Record& record() const { return *record_; }  ///< of what its server is asked

protected:
    const std::shared_ptr<Record> record_ = std::make_shared<Record>();
};

/// "imap", "ews" or "graph".
std::unique_ptr<Postbox> makePostbox(const std::string& protocol);
/// Several at one address, where mailbox() leads without TLS; a credential of one opens all. The first one ends before the others.
std::vector<std::unique_ptr<Postbox>> makePostboxes(const std::string& protocol, std::size_t count);

/// A mailbox and mails that have been put into it. Its credential is "c", and that of any of its protocol will do.
class FilledMailbox {
public:
    explicit FilledMailbox(std::string alias, const std::string& protocol = "imap") : FilledMailbox(std::move(alias), makePostbox(protocol)) {}
    FilledMailbox(std::string alias, std::unique_ptr<Postbox> box) : alias_(std::move(alias)), box_(std::move(box)) {}
    std::string words(const std::string& sinks, const std::string& after) const {
        return replaced(box_->mailbox(alias_, "c"), "mailbox." + alias_ + ".deliver", sinks) + "mailbox." + alias_ + ".after = " + after + "\n";
    }
    void add(const std::vector<Postbox::Mail>& mails) {
        for (const auto& mail : mails) digests_.insert(sha256(mail.bytes));
        box_->put(mails);
    }
    std::set<std::string> digests() const { return digests_; }  ///< SHA-256 of all that was put in
    std::size_t size() const { return digests_.size(); }
    std::size_t left() { return box_->in("INBOX").size(); }
    /// Of the mails in a folder, each of which is there once.
    std::set<std::string> in(const std::string& folder) {
        std::set<std::string> all;
        for (const auto& mail : box_->in(folder))
            if (!all.insert(mail.digest).second) throw std::runtime_error("a mail is in " + folder + " twice");
        return all;
    }
    Postbox& box() { return *box_; }

private:
    std::string alias_;
    std::unique_ptr<Postbox> box_;
    std::set<std::string> digests_{};
};

}  // namespace systemtest
