#include "listener/message/sha256.h"
#include "tests/simulation/history_mailbox.h"
#include "tests/simulation/sim_mail_server.h"
#include "tests/simulation/sim_text.h"

#include <stdexcept>

namespace simulation {

namespace {

class ImapHistoryMailbox final : public HistoryMailbox {
public:
    ImapHistoryMailbox(WorldClock& clock, Dice& dice, Accepts accepts)
        : dice_(dice), server_(clock, dice, [accepts = std::move(accepts)](const auto&, const auto& token) { return accepts(token); }) {
        server_.touched = [this](const std::string& what, const std::string& folder, const Mail& mail) {
            touched(what, folder, message(server_.folders.at(folder), mail));
        };
    }

    std::string make(const std::vector<std::string>& folders, Kind kind) override {
        if (kind == Kind::usual) server_.capabilities = {"SASL-IR", "UIDPLUS", "MOVE", "ESEARCH", "LITERAL+", "ID", "IDLE"};
        for (const auto* capability : {"SASL-IR", "UIDPLUS", "MOVE", "ESEARCH", "LITERAL+", "ID", "IDLE", "NOTIFY", "LIST-STATUS"})
            if (kind == Kind::any && !dice_.oneIn(3)) server_.capabilities.insert(capability);
        for (const auto& folder : folders) server_.folders[folder].validity = 1 + static_cast<std::uint32_t>(dice_.below(1'000'000));
        server_.folders["Done"];
        return "capabilities=" + joined(server_.capabilities, ",");
    }
    std::string listenAt(std::uint16_t port) override {
        return "protocol = imap\nhost = 127.0.0.1\nport = " + std::to_string(port) + "\ntls = none\nuser = box@example.test\n";
    }
    void setMoods(std::uint64_t refuseOneIn, std::uint64_t forgetOneIn) override {
        server_.moodOneIn = refuseOneIn;
        server_.forgetOneIn = forgetOneIn;
    }
    std::unique_ptr<Peer> accept() override { return server_.accept(); }

    std::vector<std::string> folders() const override {
        std::vector<std::string> names;
        for (const auto& [name, folder] : server_.folders) names.push_back(name);
        return names;
    }
    std::vector<Message> messages(const std::string& name) const override {
        std::vector<Message> all;
        const auto found = server_.folders.find(name);
        if (found == server_.folders.end()) return all;
        for (const auto& mail : found->second.mails) all.push_back(message(found->second, mail));
        return all;
    }
    std::vector<std::string> violations() const override { return server_.violations; }
    std::uint64_t dialogues() const override { return server_.signIns; }

    bool takesAway(bool byMove) const override { return has("UIDPLUS") || (byMove && has("MOVE")); }
    bool movesAtOnce() const override { return has("MOVE"); }
    bool tellsById() const override { return false; }
    std::string original(const std::string& bytes) const override { return bytes; }
    bool isOf(const listener::Digest& digest, const std::string& original) const override { return listener::sha256(original) == digest; }

    std::uint64_t arrive(const std::string& folder, const std::string& bytes, plugin::Wall received) override {
        return server_.arrive(folder, bytes, received);
    }
    void remove(const std::string& folder, std::uint64_t serial) override { server_.removeByOthers(folder, uidOf(folder, serial)); }
    void move(const std::string& from, std::uint64_t serial, const std::string& to) override { server_.moveByOthers(from, uidOf(from, serial), to); }
    std::uint64_t copy(const std::string& from, std::uint64_t serial, const std::string& to) override {
        return server_.copyByOthers(from, uidOf(from, serial), to);
    }
    bool rename(const std::string& from, const std::string& to, std::uint32_t validity) override {
        server_.renameByOthers(from, to, validity);
        return true;
    }
    std::uint32_t validity(const std::string& folder) const override { return server_.folders.at(folder).validity; }
    void rebuild(const std::string& folder, std::uint32_t validity, bool shuffle) override { server_.rebuild(folder, validity, shuffle); }
    /// Nothing arrives in between: a UIDNEXT that has grown past what is known again cannot be told from one that never fell.
    std::vector<std::uint64_t> fallBack(const std::string& name) override {
        const auto& folder = server_.folders.at(name);
        if (folder.next < 3) return {};
        return server_.fallBack(name, folder.next - 1 - static_cast<std::uint32_t>(dice_.below(std::min(folder.next - 2, 20u))));
    }

private:
    static Message message(const MailServer::Folder& folder, const Mail& mail) {
        return {mail.serial, std::to_string(folder.validity) + ":" + std::to_string(mail.uid), mail.bytes, mail.flags.contains("\\Seen")};
    }
    bool has(const char* capability) const { return server_.capabilities.contains(capability); }
    std::uint32_t uidOf(const std::string& folder, std::uint64_t serial) const {
        for (const auto& mail : server_.folders.at(folder).mails)
            if (mail.serial == serial) return mail.uid;
        throw std::logic_error("no such mail in " + folder);
    }

    Dice& dice_;
    MailServer server_;
};

}  // namespace

std::unique_ptr<HistoryMailbox> makeImapHistoryMailbox(WorldClock& clock, Dice& dice, HistoryMailbox::Accepts accepts) {
    return std::make_unique<ImapHistoryMailbox>(clock, dice, std::move(accepts));
}

}  // namespace simulation
