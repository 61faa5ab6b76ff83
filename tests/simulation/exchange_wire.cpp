#include "tests/simulation/exchange_wire.h"

#include "tests/simulation/lent_peer.h"
#include "tests/simulation/sim_text.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

namespace simulation {

using servers::EwsAnswer;
using servers::EwsServer;
using servers::EwsStore;
using servers::GraphServer;
using servers::GraphStore;

namespace {

std::string originOf(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port); }

}  // namespace

ExchangeWire::ExchangeWire(const Setting& setting) : Ground(setting.seed), protocol_(setting.protocol) {
    for (std::size_t i = 0; i < setting.mailboxes; ++i) {
        auto& box = *boxes_.emplace_back(std::make_unique<Box>());
        box.user = alias(i) + "@example.test";
        if (protocol_ == "ews")
            makeEws(box);
        else
            makeGraph(box, static_cast<std::uint16_t>(firstPort + i));
    }
    configure(setting);
}

ExchangeWire::~ExchangeWire() { leave(); }

void ExchangeWire::makeEws(Box& box) {
    box.ews = std::make_unique<EwsServer>();
    auto& server = *box.ews;
    server.user = box.user;
    server.tokens.clear();
    for (int token = 1; token < 5'000; ++token) server.tokens.insert("token-" + std::to_string(token));
    server.rendersAnew = true;
    server.handsOut = [&box](const auto& kept, const auto& shown) { box.shown.emplace(shown, kept); };
    server.instead = [this, &box](const servers::EwsRequest& request) -> std::optional<EwsAnswer> {
        const auto refusal = note(box, request.operation);
        if (!refusal) return std::nullopt;
        auto answer = refusal->inMessage      ? EwsServer::refusal(request.operation, refusal->code, refusal->backOff)
                      : refusal->code.empty() ? EwsServer::plain(refusal->status)
                                              : EwsServer::fault(refusal->code, refusal->backOff);
        if (refusal->retryAfter) answer.headers["Retry-After"] = *refusal->retryAfter;
        return answer;
    };
    box.inbox = server.inbox();
}

void ExchangeWire::makeGraph(Box& box, std::uint16_t port) {
    GraphServer::Options options;
    options.user = box.user;
    options.accepts = [this](const std::string& token) { return tokens_.valid(token); };
    options.listens = false;
    options.linesAreCut = true;
    box.graph = std::make_unique<GraphServer>(options);
    auto& server = *box.graph;
    server.linksLeadTo(originOf(port));
    server.rendersAnew(true);
    server.onContent([&box](const auto& kept, const auto& shown) { box.shown.emplace(shown, kept); });
    server.onRequest([this, &box](const std::string& what, GraphStore&) { note(box, what); });
}

std::optional<ExchangeWire::Refusal> ExchangeWire::note(Box& box, const std::string& what) {
    box.asked.push_back({now(), what});
    if (!box.refusal || box.refusal->times == 0) return std::nullopt;
    const auto wanted = box.refusal->what.starts_with("BATCH ") ? "$batch" : box.refusal->what;  // it stands within
    if (what.find(wanted) == std::string::npos) return std::nullopt;
    --box.refusal->times;
    box.refusedAt = now();
    return box.refusal;
}

void ExchangeWire::refuse(std::size_t mailbox, Refusal refusal) {
    auto& box = *boxes_[mailbox];
    if (box.graph) {
        GraphServer::Fault fault{.what = refusal.what, .status = refusal.status, .code = refusal.code};
        fault.times = refusal.times;
        if (refusal.retryAfter) fault.headers = {{"Retry-After", *refusal.retryAfter}};
        box.graph->fail(std::move(fault));
    }
    box.refusal = std::move(refusal);
}

void ExchangeWire::arrive(std::size_t mailbox) {
    auto& box = *boxes_[mailbox];
    const auto number = std::to_string(mailbox) + "-" + std::to_string(box.sent.size());
    const auto bytes = "Message-ID: <" + number + "@example.test>\r\nSubject: mail " + number + "\r\n\r\nbody\r\nof " + number + "\r\n";
    box.sent.push_back(bytes);
    if (box.ews)
        box.ews->deliver(box.inbox, bytes, utc(clock_.wall()));
    else
        box.graph->deliver(bytes, utc(clock_.wall()));
}

void ExchangeWire::checkAllDelivered() const {
    using Problems = std::vector<std::string>;
    std::size_t all = 0;
    for (std::size_t i = 0; i < boxes_.size(); ++i) {
        const auto& box = *boxes_[i];
        all += box.sent.size();
        CHECK((box.ews ? box.ews->problems() : box.graph->problems()) == Problems{});
        std::multiset<std::string> arrived;
        std::size_t foreign = 0, different = 0;
        for (const auto& [name, bytes] : spool(i)) {
            const auto original = box.shown.find(bytes);
            if (original == box.shown.end())
                ++foreign;
            else
                arrived.insert(original->second);
            const auto posted = hook_.taken.find(name.substr(0, name.find('.')));
            if (posted == hook_.taken.end() || posted->second != bytes) ++different;
        }
        CHECK(foreign == 0);
        CHECK(different == 0);
        CHECK(arrived.size() == box.sent.size());
        const bool each = arrived == std::multiset<std::string>(box.sent.begin(), box.sent.end());  // every mail is different
        CHECK(each);
    }
    CHECK(hook_.taken.size() == all);
    CHECK(hook_.violations == Problems{});
    CHECK(tokens_.violations == Problems{});
}

std::size_t ExchangeWire::in(const std::string& folder, std::size_t mailbox) {
    auto& box = *boxes_[mailbox];
    if (box.graph)
        return box.graph->change([&](GraphStore& store) {
            const auto* made = store.findFolder(store.findFolder("msgfolderroot")->id, folder);
            return store.in(folder == "INBOX" ? "inbox" : folder == "bin" ? "deleteditems" : made == nullptr ? "" : made->id).size();
        });
    return box.ews->change([&](EwsStore& store) {
        const auto* made = store.child("", folder);
        return store.itemsOf(folder == "INBOX" ? box.inbox
                             : folder == "bin" ? store.distinguished("deleteditems")
                             : made == nullptr ? ""
                                               : made->id)
            .size();
    });
}

std::size_t ExchangeWire::seen(std::size_t mailbox) {
    auto& box = *boxes_[mailbox];
    if (box.graph)
        return box.graph->change([](GraphStore& store) {
            const auto all = store.in("inbox");
            return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&store](const auto& id) { return store.find(id)->read; }));
        });
    return box.ews->change([&box](EwsStore& store) {
        const auto all = store.itemsOf(box.inbox);
        return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto* item) { return item->isRead; }));
    });
}

void ExchangeWire::configure(const Setting& setting) {
    std::string text;
    for (std::size_t i = 0; i < boxes_.size(); ++i) {
        const auto key = "mailbox." + alias(i) + ".";
        const auto url = originOf(static_cast<std::uint16_t>(firstPort + i)) + (protocol_ == "ews" ? "/EWS/Exchange.asmx" : "");
        for (const auto& words : {"protocol = " + protocol_, "url = " + url, "user = " + boxes_[i]->user, std::string{"credential = c"},
                                  std::string{"deliver = s,hook"}, std::string{"start = all"}})
            text += key + words + "\n";
        for (const auto& words : setting.words) text += key + words + "\n";
    }
    Ground::configure(text, {}, [this](SimNetwork& network) {
        for (std::size_t i = 0; i < boxes_.size(); ++i)
            network.listen(static_cast<std::uint16_t>(firstPort + i), [this, i] {
                auto& box = *boxes_[i];
                return std::make_unique<Lent>(box.ews ? box.ews->connect() : box.graph->connect());
            });
    });
}

}  // namespace simulation
