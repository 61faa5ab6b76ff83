#include "plugin/admin/api.h"
#include "tests/plugin/admin/open_port.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <Poco/Net/StreamSocket.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

using namespace plugin;
using namespace plugin::admin;
using fakes::Port;

namespace {

/// "credentials/orders?text=x", or the status of the refusal.
std::string understood(std::string_view path, std::string_view query = "") {
    const auto parsed = parseQuestion(path, query);
    if (const auto* refusal = std::get_if<ApiAnswer>(&parsed)) return std::to_string(refusal->status);
    const auto& question = std::get<ApiQuestion>(parsed);
    auto text = question.what + "/" + question.name;
    for (const auto& [name, value] : question.parameters) text.append("?").append(name).append("=").append(value);
    return text;
}

Poco::JSON::Object::Ptr errorIn(const std::string& body) {
    return Poco::JSON::Parser().parse(body).extract<Poco::JSON::Object::Ptr>()->getObject("error");
}

/// Lets nobody through until it is opened.
class Gate {
public:
    void pass() {
        std::unique_lock lock(mutex_);
        ++waiting_;
        change_.notify_all();
        change_.wait(lock, [this] { return open_; });
    }
    void awaitWaiting(int count) {
        std::unique_lock lock(mutex_);
        change_.wait(lock, [&] { return waiting_ >= count; });
    }
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        change_.notify_all();
    }

private:
    std::mutex mutex_{};
    std::condition_variable change_{};
    bool open_ = false;
    int waiting_ = 0;
};

}  // namespace

SCENARIO("an address of the API is a thing and perhaps its name, whatever escapes it is written with", "[admin]") {
    struct Row {
        std::string path, query, means;
    };
    const auto row = GENERATE_COPY(
        Row{"/api/v1/credentials", "", "credentials/"}, Row{"/api/v1/credentials/orders", "", "credentials/orders"},
        Row{"/api/v1/%63redentials/%6Frders%2d1", "", "credentials/orders-1"},
        Row{"/api/v1/x/" + std::string(64, 'a'), "", "x/" + std::string(64, 'a')}, Row{"/api/v1/x/" + std::string(65, 'a'), "", "404"},
        Row{"/api/v1/" + std::string(33, 'a'), "", "404"}, Row{"/api/v1/", "", "404"}, Row{"/api/v1", "", "404"}, Row{"/api/", "", "404"},
        Row{"/api/v2/credentials", "", "404"}, Row{"/api/v1/credentials/", "", "404"}, Row{"/api/v1//credentials", "", "404"},
        Row{"/api/v1/credentials/a/b", "", "404"}, Row{"/api/v1/Credentials", "", "404"},
        Row{"/api/v1/credentials/..%2f..%2fetc%2fpasswd", "", "404"}, Row{"/api/v1/..%2fhealthz", "", "404"}, Row{"/api/v1/../healthz", "", "404"},
        Row{"/api/v1/credentials/a%00", "", "404"}, Row{std::string("/api/v1/credentials/a\0", 22), "", "404"},
        Row{"/api/v1/credentials/%c3%b6", "", "404"}, Row{"/api/v1/credentials/%", "", "400"}, Row{"/api/v1/credentials/a%2", "", "400"},
        Row{"/api/v1/credentials/%zz", "", "400"}, Row{"/api/v1/credentials/%-1", "", "400"}, Row{"/api/v1/credentials/%0x41", "", "400"},
        Row{"/api/v1/credentials/%2541", "", "404"}, Row{"/api/v1/%", "", "400"},
        Row{"/api/v1/diagnosis", "text=a%20b+c%26d", "diagnosis/?text=a b+c&d"}, Row{"/api/v1/diagnosis", "text", "diagnosis/?text="},
        Row{"/api/v1/diagnosis", "text=a=b", "diagnosis/?text=a=b"}, Row{"/api/v1/diagnosis", "text=a&text=b", "400"},
        Row{"/api/v1/diagnosis", "text=%", "400"}, Row{"/api/v1/diagnosis", "%=a", "400"}, Row{"/api/v1/diagnosis", "text=%00", "400"},
        Row{"/api/v1/diagnosis", "text=%ff", "400"},
        Row{"/api/v1/diagnosis", "text=" + std::string(4096, 'a'), "diagnosis/?text=" + std::string(4096, 'a')},
        Row{"/api/v1/diagnosis", "text=" + std::string(4097, 'a'), "400"});
    CAPTURE(row.path, row.query);
    CHECK(understood(row.path, row.query) == row.means);
}

SCENARIO("what the API refuses it says in JSON, with a code and a next step", "[admin]") {
    Port port;
    const std::pair<std::string, std::string> proof{"Authorization", "Bearer " + port.token};
    struct Row {
        const char* title;
        std::string path, method;
        std::vector<std::pair<std::string, std::string>> headers;
        int status;
        const char* code;
    };
    const auto row = GENERATE_COPY(Row{"nobody's token", "/api/v1/x", "GET", {}, 401, "PO-9002"},
                                   Row{"another token", "/api/v1/x", "GET", {{"Authorization", "Bearer " + std::string(64, 'b')}}, 401, "PO-9002"},
                                   Row{"a page of a browser", "/api/v1/x", "GET", {proof, {"Origin", "http://localhost"}}, 403, "PO-9002"},
                                   Row{"another name", "/api/v1/x", "GET", {proof, {"Host", "evil.example"}}, 403, "PO-9002"},
                                   Row{"another method", "/api/v1/x", "POST", {proof}, 405, "PO-9004"},
                                   Row{"another method without the token", "/api/v1/x", "DELETE", {}, 401, "PO-9002"},
                                   Row{"another path", "/api/v1/x/y/z", "GET", {proof}, 404, "PO-9004"},
                                   Row{"another version", "/api/v2/x", "GET", {proof}, 404, "PO-9004"},
                                   Row{"a broken escape", "/api/v1/%", "GET", {proof}, 400, "PO-9004"});
    GIVEN(row.title) {
        bool asked = false;
        port.api = [&](const ApiQuestion&) {
            asked = true;
            return ApiAnswer{};
        };
        const auto answer = port.ask(row.path, row.method, row.headers);
        CHECK(answer.status == row.status);
        CHECK(answer.head.getContentType() == "application/json");
        CHECK(answer.head.get("Cache-Control") == "no-store");
        CHECK(answer.head.get("X-Content-Type-Options") == "nosniff");
        const auto error = errorIn(answer.body);
        CHECK(error->getValue<std::string>("code") == row.code);
        CHECK_FALSE(error->getValue<std::string>("text").empty());
        CHECK_FALSE(error->getValue<std::string>("next").empty());
        CHECK_FALSE(asked);
        if (row.status == 405) CHECK(answer.head.get("Allow") == "GET, HEAD");
        if (row.status == 401) CHECK(answer.head.get("WWW-Authenticate") == "Bearer");
    }
}

SCENARIO("the API shows what it is given, with the token alone", "[admin]") {
    Port port;
    const std::vector<std::pair<std::string, std::string>> proof{{"Authorization", "Bearer " + port.token}};
    port.api = [](const ApiQuestion& question) {
        if (question.what == "bug") throw std::runtime_error("it broke");
        return ApiAnswer{question.name == "none" ? 404 : 200, "{\"name\": \"" + question.name + "\"}\n"};
    };
    const auto answer = port.ask("/api/v1/credentials/orders", "GET", proof);
    CHECK(answer.status == 200);
    CHECK(answer.body == "{\"name\": \"orders\"}\n");
    CHECK(answer.head.getContentType() == "application/json");
    CHECK(answer.head.get("Cache-Control") == "no-store");
    CHECK(answer.head.get("X-Content-Type-Options") == "nosniff");
    CHECK(port.ask("/api/v1/credentials/none", "GET", proof).status == 404);
    THEN("HEAD has the same head and no body") {
        const auto head = port.ask("/api/v1/credentials/orders", "HEAD", proof);
        CHECK(head.status == 200);
        CHECK(head.body.empty());
        CHECK(head.head.getContentLength() == static_cast<std::streamsize>(answer.body.size()));
    }
    THEN("a bug is 500, logged and counted, and holds no turn of the next ones") {
        for (int i = 0; i < 10; ++i) {
            const auto broken = port.ask("/api/v1/bug", "GET", proof);
            CHECK(broken.status == 500);
            CHECK(errorIn(broken.body)->getValue<std::string>("code") == "PO-9003");
            CHECK(broken.body.find("it broke") == std::string::npos);
        }
        CHECK(port.counters.added == 10);
        CHECK(port.ask("/api/v1/credentials", "GET", proof).status == 200);
    }
}

SCENARIO("a port without an API has nothing there", "[admin]") {
    fakes::Log log;
    fakes::Counters counters;
    const auto opened = openAdminPort(
        "127.0.0.1", 0,
        {[] { return true; }, [] { return std::vector<std::string>{}; }, [] { return std::string(); }, std::string(64, 'a'), log, counters});
    REQUIRE(opened);
    Poco::Net::StreamSocket socket{Poco::Net::SocketAddress((*opened)->address())};
    const auto request =
        "GET /api/v1/credentials HTTP/1.1\r\nHost: " + (*opened)->address() + "\r\nAuthorization: Bearer " + std::string(64, 'a') + "\r\n\r\n";
    socket.sendBytes(request.data(), static_cast<int>(request.size()));
    char answer[12] = {};
    REQUIRE(socket.receiveBytes(answer, sizeof answer) == sizeof answer);
    CHECK(std::string(answer, sizeof answer) == "HTTP/1.1 404");
}

SCENARIO("however many ask the API and wait, others are told so, and health is answered", "[admin]") {
    Port port;
    Gate gate;
    const std::vector<std::pair<std::string, std::string>> proof{{"Authorization", "Bearer " + port.token}};
    port.api = [&](const ApiQuestion&) {
        gate.pass();
        return ApiAnswer{200, "{}\n"};
    };
    std::vector<int> statuses(6);
    {
        std::vector<std::jthread> callers;
        for (auto& status : statuses) callers.emplace_back([&] { status = port.ask("/api/v1/slow", "GET", proof).status; });
        gate.awaitWaiting(6);
        const auto beside = port.ask("/api/v1/slow", "GET", proof);
        CHECK(beside.status == 503);
        CHECK(beside.head.get("Retry-After") == "1");
        CHECK(errorIn(beside.body)->getValue<std::string>("code") == "PO-9005");
        CHECK(port.ask("/healthz").status == 200);
        gate.open();
    }
    CHECK(statuses == std::vector<int>(6, 200));
    CHECK(port.ask("/api/v1/slow", "GET", proof).status == 200);
}
