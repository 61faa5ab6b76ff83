#include "plugin/host/properties_reader.h"

#include "plugin/contract/text.h"

#include <array>
#include <cstdio>
#include <iterator>
#include <optional>
#include <unordered_map>
#include <utility>

namespace plugin::host {

namespace {

constexpr std::string_view blanks = " \t";
constexpr std::string_view byteOrderMark = "\xEF\xBB\xBF";

std::string_view withoutLeadingBlanks(std::string_view text) {
    const auto first = text.find_first_not_of(blanks);
    return first == std::string_view::npos ? std::string_view{} : text.substr(first);
}

std::string_view trimmed(std::string_view text) {
    text = withoutLeadingBlanks(text);
    return text.substr(0, text.find_last_not_of(blanks) + 1);
}

std::string hexadecimal(unsigned char byte) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "0x%02X", byte);
    return text.data();
}

/// What is wrong with the characters of a line. Never shows more than one byte of it.
std::optional<std::string> badCharacter(std::string_view line) {
    std::size_t column = 1;
    for (std::size_t i = 0; i < line.size(); ++column) {
        const auto byte = static_cast<unsigned char>(line[i]);
        const auto where = " at column " + std::to_string(column);
        const auto length = utf8Length(line.substr(i));
        if (length == 0) return "byte " + hexadecimal(byte) + where + " is not UTF-8; save the file as UTF-8";
        if (byte == 0) return "a NUL byte" + where + "; is this a text file in UTF-8?";
        if (byte == '\r') return "a carriage return" + where + ", inside the line; lines end with LF or CRLF";
        if ((byte < 0x20 && byte != '\t') || byte == 0x7F) return "the control character " + hexadecimal(byte) + where + " is not allowed";
        i += length;
    }
    return std::nullopt;
}

bool isComment(std::string_view line) {
    line = withoutLeadingBlanks(line);
    return !line.empty() && (line.front() == '#' || line.front() == '!');
}

class Reader {
public:
    Reader(std::string_view bytes, const std::string& file) : rest_(bytes), file_(file) {}

    Properties read() && {
        if (rest_.size() > largestFile) return std::move(*this).refused("the file is larger than 16 MiB: this is no configuration");
        if (rest_.starts_with("\xFF\xFE") || rest_.starts_with("\xFE\xFF")) return std::move(*this).refused("the file is UTF-16; save it as UTF-8");
        if (rest_.starts_with(byteOrderMark)) rest_.remove_prefix(byteOrderMark.size());
        while (!rest_.empty() && !full_) logicalLine();
        return std::move(found_);
    }

private:
    Properties refused(std::string what) && {
        problem(1, std::move(what));
        return std::move(found_);
    }

    void problem(int line, std::string what, Problem::Severity severity = Problem::Severity::error) {
        if (found_.problems.size() == mostSyntaxProblems) {
            full_ = true;
            severity = Problem::Severity::error;
            what = "too many bad lines; the rest of the file was not read";
        }
        found_.problems.push_back(Problem{severity, Code::configSyntax, {}, std::move(what), Place{file_, line}});
    }

    std::string_view physicalLine() {
        const auto end = rest_.find('\n');
        auto line = rest_.substr(0, end);
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
        ++line_;
        if (line.ends_with('\r')) line.remove_suffix(1);
        return line;
    }

    /// False: reported. A bad comment is reported too: the next editor to save the file would spoil it.
    bool acceptable(std::string_view line) {
        auto bad = badCharacter(line);
        if (bad) problem(line_, std::move(*bad));
        return !bad;
    }

    void logicalLine() {
        auto line = physicalLine();
        const int begin = line_;
        bool good = acceptable(line);
        if (isComment(line)) return;
        std::string whole;
        bool tooLong = false;
        const auto add = [&](std::string_view text) {
            tooLong = tooLong || whole.size() + text.size() > longestLine;
            if (!tooLong) whole += text;
        };
        while (line.ends_with('\\')) {
            add(line.substr(0, line.size() - 1));
            if (rest_.empty()) return problem(line_, "the file ends inside a continued line: remove the backslash at its end");
            line = physicalLine();
            good = acceptable(line) && good;
            line = withoutLeadingBlanks(line);
        }
        add(line);
        if (tooLong) return problem(begin, "the line is longer than 64 KiB");
        if (good) entry(whole, begin);
    }

    void entry(std::string_view line, int begin) {
        if (trimmed(line).empty()) return;
        const auto equals = line.find('=');
        if (equals == std::string_view::npos) return problem(begin, "the line has no `=`; it should be `key = value`, and only `=` separates");
        const auto key = trimmed(line.substr(0, equals));
        const auto value = trimmed(line.substr(equals + 1));
        if (key.empty()) return problem(begin, "nothing stands before the `=`");
        if (value.ends_with('\\'))
            problem(begin, "blanks follow the backslash at the end, so it does not continue the line but is part of the value",
                    Problem::Severity::warning);
        found_.entries.push_back(Entry{std::string(key), std::string(value), Place{file_, begin}});
    }

    std::string_view rest_;
    const std::string& file_;
    Properties found_{};
    int line_ = 0;
    bool full_ = false;
};

}  // namespace

Properties parseProperties(std::string_view bytes, const std::string& file) { return Reader(bytes, file).read(); }

Properties merge(std::vector<Properties> files) {
    Properties merged;
    std::unordered_map<std::string, Place> first;
    for (auto& file : files) {
        merged.problems.insert(merged.problems.end(), std::make_move_iterator(file.problems.begin()), std::make_move_iterator(file.problems.end()));
        for (auto& entry : file.entries) {
            const auto [known, isNew] = first.emplace(entry.key, entry.place);
            if (isNew) {
                merged.entries.push_back(std::move(entry));
                continue;
            }
            auto what = entry.key + " is given twice, first at " + known->second.file + ":" + std::to_string(known->second.line);
            merged.problems.push_back(Problem{Problem::Severity::error, Code::configDuplicateKey, entry.key, std::move(what), entry.place});
        }
    }
    return merged;
}

}  // namespace plugin::host
