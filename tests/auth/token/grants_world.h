#pragma once

#include "auth/schema.h"
#include "auth/token/credential.h"
#include "auth/token/grant_locks.h"
#include "auth/token/grant_store.h"
#include "auth/token/token_history.h"
#include "auth/token/token_source.h"
#include "fakes.h"
#include "plugin/store/sqlite_database.h"
#include "scripted_endpoint.h"
#include "seal_key_in_memory.h"
#include "tests/servers/process.h"
#include "tests/simulation/inline_loop.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// Refresh tokens as a strict provider gives them: each is good once, and whoever uses an old one ends the consent (oidc-provider, RFC 9700 4.14.2).
class RotatingProvider {
public:
    int life = 3600;
    bool rotates = true;
    bool away = false;
    int refreshes = 0;
    std::string current = "refresh-secret-0";

    std::string operator()(const std::string& request) {
        if (away) return http(503, "{}");
        const auto given = parameter(request, "refresh_token");
        if (parameter(request, "grant_type") != "refresh_token" || given != current || ended_) {
            ended_ = true;
            return http(400, R"({"error":"invalid_grant","error_description":"grant request is invalid for )" + given + "\"}");
        }
        ++refreshes;
        if (rotates) current = "refresh-secret-" + std::to_string(refreshes);
        const auto token = "access-secret-" + std::to_string(refreshes);
        return http(200, R"({"access_token":")" + token + R"(","token_type":"Bearer","expires_in":)" + std::to_string(life) +
                             (rotates ? R"(,"refresh_token":")" + current + "\"" : "") + R"(,"scope":"granted"})");
    }
    void end() { ended_ = true; }
    void consent(const std::string& token) {
        ended_ = false;
        current = token;
    }

    static std::string parameter(const std::string& request, const std::string& name) {
        const auto form = request.substr(request.find("\r\n\r\n") + 4) + "&" + request.substr(0, request.find(' ', 5));
        for (const auto& mark : {"&" + name + "=", "?" + name + "="}) {
            const auto at = ("&" + form).find(mark);
            if (at != std::string::npos) return form.substr(at + mark.size() - 1, form.find('&', at + mark.size() - 1) - (at + mark.size() - 1));
        }
        return "";
    }

private:
    bool ended_ = false;
};

class LocksInMemory final : public auth::GrantLocks {
public:
    plugin::Result<std::unique_ptr<Held>> tryTake(const std::string& credential) override {
        if (!held_.insert(credential).second) return std::unique_ptr<Held>();
        return std::unique_ptr<Held>(std::make_unique<One>(held_, credential));
    }
    bool isHeld(const std::string& credential) const { return held_.contains(credential); }

private:
    class One final : public Held {
    public:
        One(std::set<std::string>& held, std::string name) : held_(held), name_(std::move(name)) {}
        One(const One&) = delete;
        One& operator=(const One&) = delete;
        ~One() override { held_.erase(name_); }

    private:
        std::set<std::string>& held_;
        std::string name_;
    };
    std::set<std::string> held_{};
};

/// A database whose writes fail as long as the test wants it.
class FailingDatabase final : public plugin::Database {
public:
    explicit FailingDatabase(std::unique_ptr<plugin::Database> database) : database_(std::move(database)) {}
    bool failing = false;
    std::function<void()> whenWritten{};
    plugin::Task<plugin::Result<void>> write(Function function) override {
        if (whenWritten) whenWritten();
        if (failing) return refuse();
        return database_->write(std::move(function));
    }
    plugin::Task<plugin::Result<void>> read(Function function) override { return database_->read(std::move(function)); }
    plugin::Result<void> migrate(std::string_view owner, const std::vector<plugin::Migration>& migrations) override {
        return database_->migrate(owner, migrations);
    }

private:
    static plugin::Task<plugin::Result<void>> refuse() {
        co_return plugin::Error{plugin::Reaction::retryLater, plugin::Code::storeDiskFull, "no space left"};
    }
    std::unique_ptr<plugin::Database> database_;
};

/// Processes that share one server.data, under time that stands still until it is moved.
class GrantsWorld {
public:
    struct Process {
        std::unique_ptr<FailingDatabase> database;
        std::unique_ptr<auth::Sealer> sealer;
        std::unique_ptr<auth::GrantStore> grants;
        std::unique_ptr<auth::TokenStorage> storage;
        std::unique_ptr<auth::TokenSource> tokens;
    };

    explicit GrantsWorld(std::map<std::string, std::string> more = {}) : configuration(snapshot(std::move(more))) {
        secrets.put("/secret", "client-secret-value\n");
        secrets.put("/refresh", "refresh-secret-0\n");
        endpoint.open.set();
        endpoint.server = [this](const std::string& request) { return provider(request); };
        processes.push_back(start());
    }
    ~GrantsWorld() {
        for (const auto* secret : {"client-secret-value", "refresh-secret-", "access-secret-"}) CHECK(log.text().find(secret) == std::string::npos);
    }
    GrantsWorld(const GrantsWorld&) = delete;
    GrantsWorld& operator=(const GrantsWorld&) = delete;

    static std::map<std::string, std::string> settings() {
        return {{"credential.m.grant", "refresh_token"},
                {"credential.m.client_id", "app"},
                {"credential.m.client_secret", "${file:/secret}"},
                {"credential.m.token_endpoint", "https://idp.example/token"},
                {"credential.m.scopes", "mail"},
                {"credential.m.authentication", "body"},
                {"credential.m.refresh_token", "${file:/refresh}"}};
    }
    static std::shared_ptr<const plugin::Configuration> snapshot(std::map<std::string, std::string> changed) {
        for (const auto& [key, value] : settings()) changed.emplace(key, value);
        std::map<std::string, plugin::Configuration::Setting, std::less<>> all;
        for (const auto& [key, value] : changed) all[key] = {value, {}, true};
        return std::make_shared<const plugin::Configuration>(std::move(all));
    }

    Process start() {
        Process process;
        plugin::SqliteOptions options;
        options.path = directory / "postern.db";
        auto database = plugin::makeSqliteDatabase(std::move(options));
        REQUIRE(database);
        process.database = std::make_unique<FailingDatabase>(std::move(*database));
        REQUIRE(process.database->migrate(auth::schemaOwner, auth::migrations()));
        process.sealer = std::make_unique<auth::Sealer>(auth::Sealer::Parts{configuration, secrets, &key, random});
        process.grants = auth::makeGrantStore(*process.database, *process.sealer);
        process.storage = std::make_unique<auth::TokenStorage>(auth::TokenStorage{*process.database, *process.grants, locks});
        process.tokens = auth::makeTokenSource({configuration, endpoint, secrets, loop.clock(), random, log, metrics, process.storage.get()});
        return process;
    }
    plugin::Result<auth::Token> token(std::size_t process = 0) {
        return loop.run(processes.at(process).tokens->token(identity, plugin::Deadline::max(), {}));
    }
    std::string text(std::size_t process = 0) {
        const auto got = token(process);
        return got ? std::string(got->secret->reveal()) : plugin::codeName(got.error().code);
    }
    std::optional<auth::StoredGrant> stored() {
        auto found = loop.run(processes.front().grants->find("m"));
        REQUIRE(found);
        return std::move(*found);
    }
    std::vector<auth::TokenResult> results() {
        auto found = loop.run(auth::resultsOf(*processes.front().database, "m"));
        REQUIRE(found);
        return std::move(*found);
    }
    /// As `postern login` does it in another process.
    void signIn(const std::string& refreshToken, const std::string& accessToken, std::optional<std::chrono::seconds> life) {
        const auto before = stored();
        auth::StoredGrant grant;
        grant.credential = "m";
        grant.fingerprint = auth::grantFingerprint(*auth::credential(*configuration.get(), "m"));
        grant.by = "authorization_code";
        grant.refreshToken = auth::Secret(refreshToken);
        grant.accessToken = auth::Secret(accessToken);
        grant.tokenType = "Bearer";
        grant.obtainedAt = loop.clock().wall();
        if (life) grant.expiresAt = loop.clock().wall() + *life;
        grant.account = "somebody@example.com";
        REQUIRE(loop.run(processes.front().grants->keep(std::move(grant), before ? before->version : 0)));
    }
    void pass(std::chrono::nanoseconds time) { loop.clock().pass(time); }

    servers::TemporaryDirectory directory{};
    simulation::InlineLoop loop{};
    fakes::Random random{};
    fakes::Log log{};
    fakes::Metrics metrics{};
    fakes::SecretReader secrets{};
    SealKeyInMemory key{};
    LocksInMemory locks{};
    Endpoint endpoint{};
    RotatingProvider provider{};
    plugin::CurrentConfiguration configuration;
    auth::Identity identity{"m", {}, {}};
    std::vector<Process> processes{};
};
