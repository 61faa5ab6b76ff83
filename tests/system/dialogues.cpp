#include "tests/system/dialogues.h"

#include "tests/servers/base64.h"

#include <Poco/DateTimeFormat.h>
#include <Poco/DateTimeFormatter.h>
#include <Poco/StringTokenizer.h>
#include <Poco/Timestamp.h>
#include <Poco/URI.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <iterator>
#include <sstream>

namespace systemtest {

using servers::TlsServer;

namespace {

std::string decodedForm(std::string text) {
    std::string out;
    for (auto& c : text)
        if (c == '+') c = ' ';
    Poco::URI::decode(text, out);
    return out;
}

std::string dateOf(const TokenAnswer& answer) {
    if (!answer.ahead) return {};
    const auto moment = Poco::Timestamp{} + answer.ahead->count() * Poco::Timestamp::resolution();
    return "Date: " + Poco::DateTimeFormatter::format(moment, Poco::DateTimeFormat::HTTP_FORMAT) + "\r\n";
}

}  // namespace

TokenAnswer tokenAnswer(const std::string& token, const std::string& more, int lifetime) {
    return {200, R"({"token_type":"Bearer","expires_in":)" + std::to_string(lifetime) + R"(,"access_token":")" + token + "\"" + more + "}"};
}

TokenAnswer entraError(const std::string& error, int number) {
    const auto text = std::to_string(number);
    return {error == "invalid_client" ? 401 : 400, R"({"error":")" + error + R"(","error_description":"AADSTS)" + text +
                                                       R"(: as Entra puts it.","error_codes":[)" + text +
                                                       R"(],"trace_id":"0a1b","correlation_id":"2c3d"})"};
}

std::string entraToken(const std::string& tenant, const std::string& audience, const std::string& claims) {
    return servers::base64Url(R"({"alg":"RS256","typ":"JWT"})") + "." +
           servers::base64Url(R"({"aud":")" + audience + R"(","iss":"https://sts.windows.net/)" + tenant + R"(/","appid":")" + Application::id +
                              R"(","oid":")" + Application::object + R"(","tid":")" + tenant + R"(","nbf":1000000000,"exp":4000000000)" + claims +
                              "}") +
           "." + servers::base64Url("no signature");
}

bool isSigned(const std::string& jwt, EVP_PKEY* key, bool pss) {
    const auto dot = jwt.rfind('.');
    const auto signature = servers::fromBase64Url(jwt.substr(dot + 1)), signedText = jwt.substr(0, dot);
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    EVP_PKEY_CTX* parameters = nullptr;
    if (EVP_DigestVerifyInit(context.get(), &parameters, EVP_sha256(), nullptr, key) != 1) return false;
    if (pss && (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
                EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) != 1))
        return false;
    const auto* bytes = [](const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); }(signature);
    return EVP_DigestVerify(context.get(), bytes, signature.size(), reinterpret_cast<const unsigned char*>(signedText.data()), signedText.size()) ==
           1;
}

TokenServer::TokenServer(const TlsServer::Options& options, std::function<TokenAnswer(const TokenRequest&)> answer)
    : answer_(std::move(answer)), server_(options, [this](TlsServer::Stream& stream) { serve(stream); }) {}

void TokenServer::serve(TlsServer::Stream& stream) {
    const auto head = stream.readUntil("\r\n\r\n");
    const auto length = head.find("Content-Length: ");
    if (!head.starts_with("POST ") || length == std::string::npos) return;  // a connection that was only tried
    TokenRequest request{head.substr(5, head.find(' ', 5) - 5), {}};
    for (const auto& pair : Poco::StringTokenizer(stream.readExactly(std::stoul(head.substr(length + 16))), "&")) {
        const auto equals = pair.find('=');
        request.form[decodedForm(pair.substr(0, equals))] = decodedForm(pair.substr(equals + 1));
    }
    TokenAnswer answer;
    {
        const std::lock_guard lock(mutex_);
        answer = answer_(request);
    }
    stream.write("HTTP/1.1 " + std::to_string(answer.status) + " said\r\n" + dateOf(answer) +
                 "Content-Type: application/json\r\nConnection: close\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\n\r\n" +
                 answer.body);
    stream.goodbye();
}

ImapServer::ImapServer(const TlsServer::Options& options, std::string greeting, Judge judge, std::string offers)
    : greeting_(std::move(greeting)),
      offers_(std::move(offers)),
      judge_(std::move(judge)),
      server_(options, [this](TlsServer::Stream& stream) { talk(stream); }) {}

/// user=<user>^Aauth=Bearer <token>^A^A
bool ImapServer::signIn(TlsServer::Stream& stream, const std::string& tag, const std::string& response, bool& connected) {
    const auto said = servers::fromBase64(response);
    const auto userEnd = said.find('\1'), token = said.find("\1auth=Bearer ");
    if (!said.starts_with("user=") || token == std::string::npos) {
        ++strange_;
        stream.write(tag + " BAD no XOAUTH2\r\n");
        return false;
    }
    const auto verdict = judge_(said.substr(5, userEnd - 5), said.substr(token + 13, said.find('\1', token + 1) - token - 13));
    if (!verdict.challenge.empty()) {
        stream.write("+ " + servers::base64(verdict.challenge) + "\r\n");
        stream.readLine();
    }
    stream.write(tag + (verdict.refused.empty() ? " OK AUTHENTICATE completed." : " NO " + verdict.refused) + "\r\n");
    connected = verdict.connected;
    return verdict.refused.empty();
}

void ImapServer::talk(TlsServer::Stream& stream) {
    stream.write("* OK " + greeting_ + "\r\n");
    bool connected = true;
    for (auto line = stream.readLine(); !line.empty(); line = stream.readLine()) {
        std::istringstream words{line};
        std::string tag, command, argument, response;
        words >> tag >> command >> argument >> response;
        const auto ok = [&](const std::string& before = {}) { stream.write(before + tag + " OK " + command + " completed.\r\n"); };
        if (command == "AUTHENTICATE") {
            signIn(stream, tag, response, connected);
        } else if (command == "CAPABILITY") {
            ok("* CAPABILITY " + offers_ + "\r\n");
        } else if (command == "LOGOUT") {
            ++goodbyes_;  // who says it does not wait for the answer
            stream.write("* BYE signing off.\r\n" + tag + " OK LOGOUT completed.\r\n");
            return;
        } else if (!connected) {
            stream.write(tag + " BAD User is authenticated but not connected.\r\n");
        } else if (command == "NAMESPACE") {
            ok("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
        } else if (command == "LIST") {
            ok("* LIST (\\HasNoChildren) \"/\" INBOX\r\n");
        } else if (command == "SELECT" || command == "EXAMINE") {
            ok("* 0 EXISTS\r\n* OK [UIDVALIDITY 14] valid\r\n* OK [UIDNEXT 1] next\r\n* FLAGS (\\Seen)\r\n");
        } else {
            ++strange_;
            stream.write(tag + " BAD Command Argument Error. 11\r\n");
        }
    }
}

}  // namespace systemtest
