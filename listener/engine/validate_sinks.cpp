#include "auth/access.h"
#include "auth/channel/http_parser.h"
#include "listener/engine/sink_settings.h"
#include "listener/engine/validate_checks.h"

namespace listener {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

/// Steps of a spool; blocks.
void trySpool(plugin::Disk& disk, const SpoolSettings& settings, Steps& steps) {
    auto path = settings.path;
    auto directory = disk.directory(path, false);
    std::string detail = path;
    // A directory that is made at the first delivery is not made here, perhaps by another user: what it will stand in must be usable.
    for (auto slash = path.rfind('/'); !directory && slash != std::string::npos && path.size() > 1; slash = path.rfind('/')) {
        path.resize(slash == 0 ? 1 : slash);
        directory = disk.directory(path, false);
        detail = settings.path + " is not there yet; it will be made in " + path;
    }
    if (!directory) {
        steps.failed("directory", directory.error());
        return steps.notTried({"write", "make durable", "name", "remove"});
    }
    steps.ok("directory", detail);
    const auto name = std::string(plugin::temporaryPrefix) + "validate";
    auto file = (*directory)->create(0600);
    const auto step = [&](const char* what, Result<void> done, std::vector<std::string> rest) {
        if (done) {
            steps.ok(what);
        } else {
            steps.failed(what, done.error());
            steps.notTried(rest);
        }
        return static_cast<bool>(done);
    };
    if (!step("write", file ? (*file)->append("postern validate\n") : Result<void>(file.error()), {"make durable", "name", "remove"})) return;
    if (!step("make durable", (*file)->sync(), {"name", "remove"})) return;
    static_cast<void>((*directory)->remove(name));  // of a check that was killed; what matters is what publish() says
    auto published = (*directory)->publish(**file, name);
    auto named = published ? (*directory)->syncNames() : Result<void>(published.error());
    if (!step("name", std::move(named), {"remove"})) return;
    step("remove", (*directory)->remove(name), {});
}

/// Blocks.
void tryProgram(plugin::Disk& disk, const std::string& program, Steps& steps) {
    const auto slash = program.rfind('/');
    const auto directory = disk.directory(program.substr(0, std::max<std::size_t>(slash, 1)), false);
    const auto there = directory ? (*directory)->exists(program.substr(slash + 1)) : Result<bool>(directory.error());
    if (there && *there) return steps.ok("program", program + " is there; it is not run");
    steps.failed("program", Error{Reaction::askOperator, Code::sinkProgram, "the program " + program + " is not there"});
}

/// Secrets, token and the way to the receiver. Nothing is posted: what it does with a message nobody can take back.
Task<Result<void>> tryWebhook(plugin::Host& host, HttpSettings settings, std::chrono::milliseconds patience, Steps& steps) {
    auto& loop = co_await plugin::thisLoop();
    const auto url = auth::parseHttpUrl(settings.url);
    if (!url) {
        steps.failed("configuration", Error{Reaction::askOperator, Code::configBadValue, "sink." + settings.name + ".url is no URL"});
        co_return Result<void>{};
    }
    steps.ok("configuration", "webhook at " + url->authority);
    auto sources = settings.headers;
    if (!settings.signingSecret.empty()) sources.emplace("signing_secret", settings.signingSecret);
    auto read = plugin::offload(loop, [&access = host.access(), sources]() -> Result<void> {
        for (const auto& [name, written] : sources)
            if (const auto secret = access.secret(written); !secret) return secret.error();
        return {};
    });
    const auto secrets = co_await read;
    if (!secrets)
        steps.failed("secret", secrets.error());
    else if (!sources.empty())
        steps.ok("secret");
    if (!settings.credential.empty()) {
        Seen seen;
        auto token = co_await trySecret(host, settings.credential, {}, {}, steps, seen);
        if (!token) co_return token.error();
    }
    auth::Target target{url->host, url->port, url->tls ? auth::Target::Tls::implicit : auth::Target::Tls::none, settings.truststore, settings.proxy};
    target.keystore = settings.keystore;
    target.keyAlias = settings.keyAlias;
    auto reached = co_await tryWay(host, std::move(target), patience, steps);
    if (!reached) co_return reached.error();
    co_return Result<void>{};
}

}  // namespace

Task<Result<void>> checkSink(plugin::Host& host, std::string name, Steps& steps) {
    const auto configuration = host.configuration();
    const auto settings = sinkSettings(*configuration, name);
    if (settings.type == SinkSettings::Type::http) co_return co_await tryWebhook(host, httpSettings(*configuration, name), settings.timeout, steps);
    auto& loop = co_await plugin::thisLoop();
    auto work = [&host, &steps, configuration, name, type = settings.type] {
        if (type == SinkSettings::Type::exec) {
            const auto command = execSettings(*configuration, name).command;
            steps.ok("configuration", "program " + command.front());
            tryProgram(host.disk(), command.front(), steps);
        } else {
            const auto spool = spoolSettings(*configuration, name);
            steps.ok("configuration", "spool " + spool.path);
            trySpool(host.disk(), spool, steps);
        }
        return true;
    };
    auto working = plugin::offload(loop, std::move(work));
    co_await working;
    co_return Result<void>{};
}

}  // namespace listener
