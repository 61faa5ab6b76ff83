// Reads the #includes and the words of the sources, and compares them with the rule of ARCHITECTURE.md.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

const fs::path root = POSTERN_SOURCE_DIR;

struct Source {
    std::string path;  ///< from the root
    std::string text;
    std::vector<std::string> includes;  ///< as written, without the marks
};

std::string withoutComments(const std::string& text) {
    static const std::regex comment("//[^\n]*");
    return std::regex_replace(text, comment, "");
}

const std::vector<Source>& sources() {
    static const auto all = [] {
        std::vector<Source> found;
        static const std::regex include("#include [\"<]([^\">]+)[\">]");
        for (const auto* folder : {"plugin", "auth", "listener"})
            for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
                const auto extension = entry.path().extension();
                if (extension != ".h" && extension != ".cpp") continue;
                std::ifstream file(entry.path());
                std::stringstream text;
                text << file.rdbuf();
                Source source{fs::relative(entry.path(), root).string(), withoutComments(text.str()), {}};
                for (std::sregex_iterator at(source.text.begin(), source.text.end(), include), end; at != end; ++at)
                    source.includes.push_back((*at)[1]);
                found.push_back(std::move(source));
            }
        return found;
    }();
    return all;
}

bool startsWithAny(const std::string& text, const std::vector<std::string>& beginnings) {
    return std::any_of(beginnings.begin(), beginnings.end(), [&](const auto& beginning) { return text.starts_with(beginning); });
}

/// Who may include what of ours: the first entry that fits counts.
const std::vector<std::pair<std::string, std::vector<std::string>>> mayInclude{
    {"plugin/contract/", {"plugin/contract/"}},
    {"plugin/runtime/", {"plugin/contract/", "plugin/runtime/"}},
    {"plugin/store/", {"plugin/contract/", "plugin/store/"}},
    {"plugin/admin/", {"plugin/contract/", "plugin/admin/"}},
    {"plugin/host/", {"plugin/", "auth/"}},
    {"auth/", {"auth/", "plugin/contract/"}},
    {"listener/plugin_entry.cpp", {"listener/engine/", "listener/alerting/schema.h", "listener/ledger/ledger.h", "plugin/contract/"}},
    {"listener/mailbox.h", {"listener/message/", "plugin/contract/"}},
    {"listener/item_index.h", {"plugin/contract/"}},
    {"listener/request_limit", {"listener/request_limit.h", "plugin/contract/"}},
    {"listener/folder_path", {"listener/folder_path.h"}},
    {"listener/message/", {"listener/message/", "plugin/contract/"}},
    {"listener/imap/", {"listener/imap/", "listener/folder_path.h", "listener/mailbox.h", "listener/message/", "auth/", "plugin/contract/"}},
    {"listener/ews/",
     {"listener/ews/", "listener/folder_path.h", "listener/item_index.h", "listener/mailbox.h", "listener/request_limit.h", "listener/message/",
      "auth/", "plugin/contract/"}},
    {"listener/graph/",
     {"listener/graph/", "listener/folder_path.h", "listener/item_index.h", "listener/mailbox.h", "listener/request_limit.h", "listener/message/",
      "auth/", "plugin/contract/"}},
    {"listener/ledger/", {"listener/ledger/", "listener/item_index.h", "listener/mailbox.h", "listener/message/", "plugin/contract/"}},
    {"listener/delivery/", {"listener/delivery/", "listener/message/", "auth/", "plugin/contract/"}},
    {"listener/alerting/",
     {"listener/alerting/", "listener/delivery/program.h", "listener/delivery/webhook_signature.h", "listener/ledger/ledger.h", "listener/message/",
      "auth/", "plugin/contract/"}},
    {"listener/engine/", {"listener/", "auth/", "plugin/contract/"}},
};

std::vector<std::string> offenders(const std::vector<std::string>& folders, const std::regex& word, const std::set<std::string>& allowed = {}) {
    std::vector<std::string> found;
    for (const auto& source : sources())
        if (startsWithAny(source.path, folders) && !allowed.contains(source.path) && std::regex_search(source.text, word))
            found.push_back(source.path);
    return found;
}

using None = std::vector<std::string>;

}  // namespace

SCENARIO("every file includes only what its folder may know", "[architecture]") {
    REQUIRE(sources().size() > 60);
    for (const auto& source : sources()) {
        const auto rule = std::find_if(mayInclude.begin(), mayInclude.end(), [&](const auto& each) { return source.path.starts_with(each.first); });
        INFO(source.path);
        REQUIRE(rule != mayInclude.end());
        for (const auto& include : source.includes) {
            INFO("includes " << include);
            if (startsWithAny(include, {"plugin/", "auth/", "listener/", "tests/"})) CHECK(startsWithAny(include, rule->second));
        }
    }
}

SCENARIO("the contract needs nothing but the standard library", "[architecture]") {
    for (const auto& source : sources())
        if (source.path.starts_with("plugin/contract/"))
            for (const auto& include : source.includes) {
                INFO(source.path << " includes " << include);
                if (source.path == "plugin/contract/handle.cpp" && include == "unistd.h") continue;  // close
                CHECK((include.starts_with("plugin/contract/") || include.find('/') == std::string::npos));
                CHECK(include.find(".h") == (include.starts_with("plugin/contract/") ? include.size() - 2 : std::string::npos));
            }
}

SCENARIO("only the store knows SQLite", "[architecture]") {
    REQUIRE(offenders({"plugin/contract/", "plugin/runtime/", "plugin/admin/", "plugin/host/", "auth/", "listener/"},
                      std::regex("sqlite3_|<sqlite3")) == None{});
}

SCENARIO("nothing below main takes time, chance, threads or sleep but from what it was given", "[architecture]") {
    const std::vector<std::string> below{"auth/", "listener/", "plugin/store/"};
    CHECK(offenders(below, std::regex("_clock::now\\(|\\btime\\(nullptr\\)|gettimeofday|clock_gettime|Poco::Timestamp")) == None{});
    CHECK(offenders(below, std::regex("\\brand\\(|random_device|mt19937|RAND_bytes")) == None{});
    CHECK(offenders(below, std::regex("std::thread\\b|std::jthread|pthread_create|sleep_for|sleep_until\\(|\\busleep\\(|std::async")) == None{});
}

SCENARIO("the listener touches files and the network only through what it was given", "[architecture]") {
    const std::regex edge("<fstream>|<filesystem>|<fcntl\\.h>|<sys/socket\\.h>|<unistd\\.h>|Poco/Net|Poco/File|::open\\(");
    CHECK(offenders({"listener/"}, edge, {"listener/delivery/program.cpp"}) == None{});  // pipes
}

SCENARIO("programs are started in one place, and run for secrets and for messages alone", "[architecture]") {
    CHECK(offenders({"auth/", "listener/", "plugin/"}, std::regex("<spawn\\.h>|posix_spawn\\("), {"auth/spawn.cpp"}) == None{});
    const std::regex processes(
        "auth/spawn\\.h|<spawn\\.h>|<sys/wait\\.h>|posix_spawn\\(|waitpid\\(|pidfd_open|::kill\\(|\\bv?fork\\(|\\bexecv|popen\\(|\\bsystem\\(|Poco/"
        "Process");
    CHECK(offenders({"auth/", "listener/", "plugin/contract/", "plugin/runtime/", "plugin/store/", "plugin/admin/"}, processes,
                    {"auth/command_output.cpp", "auth/spawn.cpp", "listener/delivery/program.cpp"}) == None{});
}

SCENARIO("no lambda that holds something stands inside a co_await expression, where g++ 12 destroys it twice", "[architecture]") {
    const std::regex lambda("co_await [^;{]*\\[[A-Za-z_&=][^\\]]*\\] *(\\([^)]*\\))? *(mutable)? *(->[^{;]*)?\\{");
    CHECK(offenders({"plugin/", "auth/", "listener/"}, lambda) == None{});
    const std::string wrong = "auto step = co_await write<Retained>([folder, standing](Transaction& transaction) {";
    CHECK(std::regex_search(wrong, lambda));
}

SCENARIO("parsers know no socket, clock or log", "[architecture]") {
    const std::regex edge("plugin/contract/(log|clock|loop|task|host)\\.h|auth/");
    for (const auto* parser :
         {"listener/imap/parser", "listener/imap/framer", "listener/imap/lexer", "listener/imap/uid_set", "listener/imap/mailbox_name",
          "listener/graph/json", "listener/graph/values", "listener/graph/request", "listener/graph/answer", "listener/ews/reference_filter",
          "listener/ews/base64_reader", "listener/ews/xml_reader", "listener/ews/envelope_cutter", "listener/ews/folder_tree",
          "auth/channel/http_parser", "plugin/host/properties_reader"})
        for (const auto& source : sources())
            if (source.path.starts_with(std::string(parser) + "."))
                for (const auto& include : source.includes) {
                    INFO(source.path << " includes " << include);
                    CHECK((include.starts_with("auth/channel/http_parser") || !std::regex_search(include, edge)));
                }
}
