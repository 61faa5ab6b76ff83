#include "auth/diagnosis/claims.h"

#include "auth/json_object.h"
#include "auth/sasl/base64.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/log.h"

#include <algorithm>
#include <array>

namespace auth::diagnosis {

namespace {

constexpr std::size_t longestClaim = 200;
constexpr std::size_t mostItems = 50;

std::string shown(std::optional<std::string_view> text) { return text ? plugin::printable(*text, longestClaim) : std::string{}; }

/// The strings of an array as it was written; one with an escape is left out.
std::vector<std::string> stringsIn(std::string_view array) {
    std::vector<std::string> items;
    for (auto begin = array.find('"'); begin != std::string_view::npos && items.size() < mostItems; begin = array.find('"')) {
        array.remove_prefix(begin + 1);
        const auto end = array.find_first_of("\"\\");
        if (end == std::string_view::npos || array[end] == '\\') break;
        items.push_back(shown(array.substr(0, end)));
        array.remove_prefix(end + 1);
    }
    return items;
}

std::vector<std::string> listOf(const JsonObject& object, std::string_view name) {
    const auto* member = object.find(name);
    if (member == nullptr) return {};
    if (member->kind == JsonObject::Kind::array) return stringsIn(member->text.reveal());
    if (member->kind == JsonObject::Kind::string) return {shown(member->text.reveal())};
    return {};
}

template <std::size_t count>
bool anyOf(const std::vector<std::string>& values, const std::array<std::string_view, count>& known) {
    return std::any_of(values.begin(), values.end(), [&](std::string_view value) {
        while (value.ends_with('/')) value.remove_suffix(1);
        return std::find(known.begin(), known.end(), value) != known.end();
    });
}

}  // namespace

bool Claims::isMicrosofts() const {
    static constexpr std::array<std::string_view, 5> issuers{"https://sts.windows.net/", "https://login.microsoftonline.com/",
                                                             "https://login.microsoftonline.us/", "https://login.partner.microsoftonline.cn/",
                                                             "https://sts.chinacloudapi.cn/"};
    return std::any_of(issuers.begin(), issuers.end(), [this](std::string_view known) { return issuer.starts_with(known); });
}

bool Claims::isForGraph() const {
    return anyOf(audience,
                 std::array<std::string_view, 5>{"https://graph.microsoft.com", "https://graph.microsoft.us", "https://dod-graph.microsoft.us",
                                                 "https://microsoftgraph.chinacloudapi.cn", "00000003-0000-0000-c000-000000000000"});
}

bool Claims::isForExchange() const {
    return anyOf(audience, std::array<std::string_view, 6>{"https://outlook.office365.com", "https://outlook.office.com",
                                                           "https://outlook.office365.us", "https://outlook-dod.office365.us",
                                                           "https://partner.outlook.cn", "00000002-0000-0ff1-ce00-000000000000"});
}

std::optional<Claims> claimsOf(std::string_view token) {
    const auto first = token.find('.');
    const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
    if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
    const auto payload = sasl::decodeBase64Url(token.substr(first + 1, second - first - 1));
    if (!payload) return std::nullopt;
    const auto object = JsonObject::parse(payload->reveal());
    if (!object) return std::nullopt;
    Claims claims;
    claims.audience = listOf(*object, "aud");
    claims.issuer = shown(object->string("iss"));
    claims.application = shown(object->string("appid"));
    if (claims.application.empty()) claims.application = shown(object->string("azp"));
    claims.object = shown(object->string("oid"));
    claims.tenant = shown(object->string("tid"));
    claims.roles = listOf(*object, "roles");
    auto scopes = object->string("scp");
    if (!scopes) scopes = object->string("scope");
    if (scopes) claims.scopes = plugin::parseWords(shown(scopes));
    claims.expires = object->integer("exp");
    claims.notBefore = object->integer("nbf");
    return claims;
}

}  // namespace auth::diagnosis
