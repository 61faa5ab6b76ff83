#include "tests/simulation/sim_mail_server.h"

#include <algorithm>
#include <utility>

namespace simulation {

MailServer::MailServer(WorldClock& clock, Dice& dice, std::function<bool(const std::string&, const std::string&)> authorized)
    : clock_(clock), dice_(dice), authorized_(std::move(authorized)) {}

Mail* MailServer::Folder::find(std::uint64_t uid) {
    const auto found = std::lower_bound(mails.begin(), mails.end(), uid, [](const Mail& mail, std::uint64_t wanted) { return mail.uid < wanted; });
    return found == mails.end() || found->uid != uid ? nullptr : &*found;
}

std::uint64_t MailServer::arrive(const std::string& name, std::string bytes, plugin::Wall received) {
    auto& folder = folders[name];
    folder.mails.push_back({folder.next, std::move(bytes), received, {}, ++lastSerial_});
    folder.next += 1 + static_cast<std::uint32_t>(dice_.oneIn(5) ? dice_.below(40) : 0);
    tellSessions(name);
    return lastSerial_;
}

void MailServer::removeByOthers(const std::string& name, std::uint32_t uid) {
    std::erase_if(folders[name].mails, [uid](const Mail& mail) { return mail.uid == uid; });
    tellSessions(name);
}

void MailServer::moveByOthers(const std::string& from, std::uint32_t uid, const std::string& to) {
    auto& source = folders.at(from);
    auto& target = folders.at(to);
    auto mail = *source.find(uid);
    std::erase_if(source.mails, [uid](const Mail& each) { return each.uid == uid; });
    mail.uid = target.next++;
    target.mails.push_back(std::move(mail));
    tellSessions(from);
    tellSessions(to);
}

std::uint64_t MailServer::copyByOthers(const std::string& from, std::uint32_t uid, const std::string& to) {
    auto mail = *folders.at(from).find(uid);
    auto& target = folders.at(to);
    mail.uid = target.next++;
    mail.serial = ++lastSerial_;
    target.mails.push_back(std::move(mail));
    tellSessions(to);
    return lastSerial_;
}

void MailServer::renameByOthers(const std::string& from, const std::string& to, std::uint32_t validity) {
    auto node = folders.extract(from);
    node.key() = to;
    node.mapped().validity = validity;
    folders.insert(std::move(node));
    endSessions();
}

void MailServer::rebuild(const std::string& name, std::uint32_t validity, bool shuffle) {
    auto& folder = folders.at(name);
    folder.validity = validity;
    if (shuffle)
        for (std::size_t i = folder.mails.size(); i > 1; --i) std::swap(folder.mails[i - 1], folder.mails[dice_.below(i)]);
    folder.next = 1 + static_cast<std::uint32_t>(dice_.below(3));
    for (auto& mail : folder.mails) {
        mail.uid = folder.next;
        folder.next += 1 + static_cast<std::uint32_t>(dice_.oneIn(5) ? dice_.below(40) : 0);
    }
    endSessions();
}

std::vector<std::uint64_t> MailServer::fallBack(const std::string& name, std::uint32_t next) {
    auto& folder = folders.at(name);
    std::vector<std::uint64_t> vanished;
    for (const auto& mail : folder.mails)
        if (mail.uid >= next) vanished.push_back(mail.serial);
    std::erase_if(folder.mails, [next](const Mail& mail) { return mail.uid >= next; });
    folder.next = next;
    endSessions();
    return vanished;
}

}  // namespace simulation
