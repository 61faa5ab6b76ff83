// What the two halves of graph_server share; for nobody else.
#pragma once

#include "tests/servers/graph_server.h"

#include <Poco/Dynamic/Var.h>
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <algorithm>
#include <sstream>

namespace servers {

using Poco::JSON::Array;
using Poco::JSON::Object;

inline std::string lowered(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

inline std::string encoded(const std::string& text) {
    std::string out;
    for (const unsigned char c : text) {
        static constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
        if (plain.find(static_cast<char>(c)) != std::string_view::npos)
            out += static_cast<char>(c);
        else
            out.append({'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15]});
    }
    return out;
}

/// Nothing: it is not encoded as it should be.
inline std::optional<std::string> decoded(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (i + 2 >= text.size() || !std::isxdigit(static_cast<unsigned char>(text[i + 1])) ||
            !std::isxdigit(static_cast<unsigned char>(text[i + 2])))
            return std::nullopt;
        out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
        i += 2;
    }
    return encoded(out) == text || text.starts_with('$') ? std::optional(out) : std::nullopt;
}

inline std::vector<std::string> split(const std::string& text, char at) {
    std::vector<std::string> parts;
    std::stringstream stream(text);
    for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
    return parts;
}

inline std::string written(const Object::Ptr& object) {
    std::ostringstream out;
    object->stringify(out);
    return out.str();
}

inline Object::Ptr parsed(const std::string& body) {
    try {
        Poco::JSON::Parser parser;
        return parser.parse(body).extract<Object::Ptr>();
    } catch (const Poco::Exception&) {  // a mistake of the client's
        return {};
    }
}

constexpr std::size_t mostAtATime = 4;

struct GraphServer::Asked {
    std::string method, target, body;
    std::map<std::string, std::string> headers{};  ///< names in lower case
    bool batched = false;
    std::map<std::string, std::string> options{};

    std::string path() const { return target.substr(0, target.find('?')); }
    std::string header(const char* name) const {
        const auto found = headers.find(name);
        return found == headers.end() ? std::string() : found->second;
    }
    /// Requests to the mailbox: of a $batch so many are worked on at a time.
    std::size_t worth() const {
        std::size_t within = 0;
        for (auto at = body.find("\"url\""); at != std::string::npos; at = body.find("\"url\"", at + 1)) ++within;
        return path() == "/v1.0/$batch" ? std::clamp<std::size_t>(within, 1, mostAtATime) : 1;
    }
};

struct GraphServer::Reply {
    int status = 200;
    std::string body{};
    std::vector<std::pair<std::string, std::string>> headers{};
    std::string type = "application/json;odata.metadata=minimal";
    bool message = false;  ///< octets of a mail
    Object::Ptr object{};  ///< the body, in a $batch

    static Reply error(int status, const std::string& code, const std::string& message) {
        Object::Ptr inner(new Object), error(new Object), whole(new Object);
        inner->set("date", "2026-11-22T08:15:00").set("request-id", "00000000-1111-2222-3333-444444444444");
        error->set("code", code).set("message", message).set("innerError", inner);
        whole->set("error", error);
        return of(whole, status);
    }
    static Reply of(const Object::Ptr& object, int status = 200) {
        Reply reply;
        reply.status = status;
        reply.object = object;
        reply.body = written(object);
        return reply;
    }
};

}  // namespace servers
