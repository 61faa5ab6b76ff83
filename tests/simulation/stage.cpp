#include "tests/simulation/stage.h"

#include "tests/simulation/sim_text.h"

#include <catch2/catch.hpp>

#include <algorithm>

namespace simulation {

Stage::Stage(const Setting& setting) : Ground(setting.seed), setting_(setting) {
    tokens_.life = setting.tokenLife;
    for (std::size_t i = 0; i < setting.mailboxes; ++i) {
        auto server = std::make_unique<MailServer>(clock_, dice_, [this](const auto&, const auto& token) { return tokens_.valid(token); });
        server->capabilities = setting.capabilities;
        server->folders["INBOX"];
        server->folders["Done"];
        server->tokenEnd = [this](const auto& token) { return tokens_.endOf(token); };
        servers_.push_back(std::move(server));
    }
    sent_.resize(setting.mailboxes);
    configure();
}

Stage::~Stage() { leave(); }

void Stage::reload(std::vector<std::string> hook) {
    setting_.hook = std::move(hook);
    configure();
    process().reload();
}

void Stage::arrive(std::size_t mailbox, const std::string& folder) {
    const auto number = std::to_string(mailbox) + "-" + std::to_string(sent_[mailbox].size());
    auto bytes = "Message-ID: <" + number + "@example.test>\r\nSubject: mail " + number + "\r\n\r\nbody\r\nof " + number + "\r\n";
    sent_[mailbox].push_back(bytes);
    servers_[mailbox]->arrive(folder, std::move(bytes), std::chrono::floor<std::chrono::seconds>(clock_.wall()));
}

void Stage::checkAllDelivered() const {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < sent_.size(); ++i) {
        auto wanted = sent_[i];
        std::sort(wanted.begin(), wanted.end());
        all.insert(all.end(), wanted.begin(), wanted.end());
        CHECK(servers_[i]->violations == std::vector<std::string>{});
        if (!delivers("s")) continue;
        const bool same = spooled(i) == wanted;
        CHECK(same);
        CHECK(spooled(i).size() == wanted.size());
    }
    CHECK(tokens_.violations == std::vector<std::string>{});
    CHECK(hook_.violations == std::vector<std::string>{});
    if (!delivers("hook")) return;
    std::vector<std::string> taken;
    for (const auto& [id, bytes] : hook_.taken) taken.push_back(bytes);
    std::sort(taken.begin(), taken.end());
    std::sort(all.begin(), all.end());
    const bool same = taken == all;
    CHECK(same);
    CHECK(taken.size() == all.size());
}

std::size_t Stage::checkHeld(const std::string& folder) const {
    std::vector<std::string> held;
    for (const auto& mail : servers_[0]->folders[folder].mails) held.push_back(mail.bytes);
    const auto all = held.size();
    std::sort(held.begin(), held.end());
    held.erase(std::unique(held.begin(), held.end()), held.end());
    auto wanted = sent_[0];
    std::sort(wanted.begin(), wanted.end());
    const bool conserved = held == wanted;
    CHECK(conserved);
    return all - held.size();
}

bool Stage::delivers(const std::string& sink) const {
    const auto names = split(setting_.deliver, ',');
    return std::find(names.begin(), names.end(), sink) != names.end();
}

std::vector<std::string> Stage::spooled(std::size_t mailbox) const {
    std::vector<std::string> all;
    for (const auto& [name, bytes] : spool(mailbox)) all.push_back(bytes);
    std::sort(all.begin(), all.end());
    return all;
}

void Stage::configure() {
    std::string text;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        const auto key = "mailbox." + alias(i) + ".";
        for (const auto& words :
             {std::string{"protocol = imap"}, std::string{"host = 127.0.0.1"}, "port = " + std::to_string(firstPort + i), std::string{"tls = none"},
              std::string{"user = box@example.test"}, std::string{"credential = c"}, "deliver = " + setting_.deliver, std::string{"start = all"}})
            text += key + words + "\n";
        for (const auto& words : setting_.words) text += key + words + "\n";
    }
    Ground::configure(text, setting_.hook, [this](SimNetwork& network) {
        for (std::size_t i = 0; i < servers_.size(); ++i)
            network.listen(static_cast<std::uint16_t>(firstPort + i), [this, i] { return servers_[i]->accept(); });
    });
}

}  // namespace simulation
