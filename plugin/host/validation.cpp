#include "plugin/host/validation.h"

#include "plugin/contract/letters.h"
#include "plugin/host/known_keys.h"
#include "plugin/host/nearest.h"
#include "plugin/host/value_form.h"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <utility>

namespace plugin::host {

namespace {

using Severity = Problem::Severity;

std::string firstPart(std::string_view key) { return std::string(key.substr(0, key.find('.'))); }
std::string prefixOf(const std::string& group, const std::string& alias) { return group + "." + alias + "."; }
std::string where(const Place& place) { return place.file + ":" + std::to_string(place.line); }

struct Alias {
    std::string name;
    Place place{};
    bool sound = true;  ///< a name it may have, spelled in one way
};

class Validator {
public:
    Validator(const Properties& properties, const Rules& rules) : properties_(properties), rules_(rules), known_(rules.keys) {}

    Validated validate() {
        problems_ = properties_.problems;
        for (const auto& entry : properties_.entries) read(entry);
        complete();
        resolveReferences();
        auto configuration = std::make_shared<const Configuration>(std::move(settings_));
        runChecks(*configuration);
        sortByPlace(problems_);
        return {std::move(configuration), std::move(problems_)};
    }

private:
    void problem(Code code, const std::string& key, std::string what, const Place& place, Severity severity = Severity::error) {
        if (severity == Severity::error) faulty_.insert(key);
        problems_.push_back(Problem{severity, code, key, std::move(what), place});
    }

    bool isForeign(std::string_view part) const { return std::find(rules_.foreign.begin(), rules_.foreign.end(), part) != rules_.foreign.end(); }

    void read(const Entry& entry) {
        const auto match = known_.match(entry.key);
        if (!match) return unknown(entry);
        if (!match->group.empty() && !acceptAlias(*match, entry)) return;
        if (match->key->planned) return notInThisVersion(entry);
        auto judged = judge(*match->key, entry.value, rules_.workingDirectory);
        for (auto& complaint : judged.complaints) problem(complaint.code, entry.key, std::move(complaint.what), entry.place, complaint.severity);
        if (judged.usable)
            settings_.emplace(entry.key, Configuration::Setting{std::move(judged.value), entry.place, true});
        else if (match->key->type == KeyType::choice && !match->group.empty())
            undecided_.insert(prefixOf(match->group, match->alias));
    }

    void notInThisVersion(const Entry& entry) { problem(Code::configNotInThisVersion, entry.key, "this key is not in this version", entry.place); }

    void unknown(const Entry& entry) {
        const auto group = firstPart(entry.key);
        if (isForeign(group)) return;
        if (known_.isPlannedGroup(entry.key)) return notInThisVersion(entry);
        const auto meant = known_.nearest(entry.key);
        problem(Code::configUnknownKey, entry.key, "nothing reads this key" + (meant.empty() ? "" : "; did you mean " + meant + "?"), entry.place);
        // The key may be wrong, but whoever wrote it wants this alias: what else it lacks is worth saying in the same breath.
        const auto end = entry.key.find('.', group.size() + 1);
        if (known_.isGroup(group) && end != std::string::npos)
            acceptAlias(KnownKeys::Match{nullptr, group, entry.key.substr(group.size() + 1, end - group.size() - 1)}, entry);
    }

    /// False: the alias cannot be used, which is reported once for each spelling.
    bool acceptAlias(const KnownKeys::Match& match, const Entry& entry) {
        auto& spellings = aliases_[match.group][lowerCase(match.alias)];
        for (const auto& known : spellings)
            if (known.name == match.alias) return known.sound;
        auto bad = badAlias(match.alias);
        if (!bad && !spellings.empty())
            bad = "the alias \"" + match.alias + "\" differs from \"" + spellings.front().name + "\" (" + where(spellings.front().place) +
                  ") in nothing but upper and lower case";
        spellings.push_back(Alias{match.alias, entry.place, !bad});
        if (bad) problem(Code::configBadAlias, entry.key, std::move(*bad), entry.place);
        return spellings.back().sound;
    }

    void complete() {
        for (const auto& key : known_.all())
            if (key.pattern.find('<') == std::string::npos) completeKey(key, key.pattern, {}, "");
        for (const auto& [group, byName] : aliases_)
            for (const auto& [folded, spellings] : byName)
                if (const auto& alias = spellings.front(); alias.sound) completeAlias(group, alias);
    }

    void completeAlias(const std::string& group, const Alias& alias) {
        for (const auto* key : known_.ofEachAlias(group)) {
            const auto tail = key->pattern.substr(key->pattern.find('>') + 2);
            completeKey(*key, prefixOf(group, alias.name) + tail, alias.place, prefixOf(group, alias.name));
        }
    }

    void completeKey(const Key& key, const std::string& name, const Place& place, const std::string& owner) {
        if (key.planned) return;
        const auto given = settings_.find(name);
        if (given != settings_.end()) {
            const auto& setting = given->second;
            const bool isEmpty = key.type == KeyType::list ? parseList(setting.value).empty() : setting.value.empty();
            if (key.required && isEmpty) problem(Code::configMissingKey, name, "this key is mandatory, but has no value", setting.place);
            return;
        }
        if (!key.fallback.empty()) {
            auto judged = judge(key, key.fallback, rules_.workingDirectory);
            if (!judged.usable) throw std::logic_error("the default of " + key.pattern + " is not of the key's own form");
            settings_.emplace(name, Configuration::Setting{std::move(judged.value), {}, false});
        } else if (key.required && faulty_.count(name) == 0) {
            problem(Code::configMissingKey, name, "this key is missing", place);
            if (key.type == KeyType::choice) undecided_.insert(owner);
        }
    }

    void resolveReferences() {
        for (const auto& [name, setting] : settings_) {
            const auto match = known_.match(name);
            if (!match || match->key->reference.empty() || setting.value.empty()) continue;
            const auto& key = *match->key;
            const auto targets = key.type == KeyType::list ? parseList(setting.value) : std::vector<std::string>{setting.value};
            std::set<std::string> seen;
            for (const auto& target : targets) {
                if (!seen.insert(target).second) problem(Code::configBadValue, name, shown(target) + " is named twice", setting.place);
                resolve(name, setting.place, key.reference, target);
            }
        }
    }

    void resolve(const std::string& name, const Place& place, const std::string& group, const std::string& target) {
        std::vector<std::string> defined;
        for (const auto& [folded, spellings] : aliases_[group])
            for (const auto& each : spellings) {
                if (each.name == target) return;
                if (each.sound) defined.push_back(each.name);
            }
        if (isForeign(group)) return;
        auto meant = nearest(target, defined);
        for (const auto& each : defined)
            if (lowerCase(each) == lowerCase(target)) meant = each;
        problem(Code::configUnknownReference, name,
                "there is no " + group + " " + shown(target) +
                    (!meant.empty()       ? "; did you mean " + meant + "?"
                     : defined.empty()    ? "; define it with keys that begin with " + group + "." + (badAlias(target) ? "<alias>" : target) + "."
                     : defined.size() < 9 ? "; there is " + joined(defined)
                                          : ""),
                place);
    }

    static std::string joined(const std::vector<std::string>& names) {
        std::string text;
        for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
        return text;
    }

    /// A check sees the snapshot without what is bad. What it says about a key already reported is an echo; so is all it says about an
    /// alias whose kind (a choice: grant, protocol, type) is bad or missing, since it would judge by another kind than was meant.
    void runChecks(const Configuration& configuration) {
        std::vector<Problem> found;
        for (const auto& check : rules_.checks) {
            try {
                check(configuration, found);
            } catch (const std::logic_error&) {
                // It read a key that is missing, which is an error already reported. With every key in place it is a bug of the check.
                if (faulty_.empty()) throw;
            }
        }
        for (auto& each : found) {
            const auto end = each.key.find('.', each.key.find('.') + 1);
            const bool isEcho = faulty_.count(each.key) != 0 || (end != std::string::npos && undecided_.count(each.key.substr(0, end + 1)) != 0);
            if (!isEcho) problems_.push_back(std::move(each));
        }
    }

    const Properties& properties_;
    const Rules& rules_;
    KnownKeys known_;
    std::vector<Problem> problems_{};
    std::map<std::string, Configuration::Setting, std::less<>> settings_{};
    std::map<std::string, std::map<std::string, std::vector<Alias>>> aliases_{};  // group, folded name: the spellings
    std::set<std::string> faulty_{};                                              // keys with an error
    std::set<std::string> undecided_{};                                           // "mailbox.a.": aliases without a good kind
};

}  // namespace

bool Validated::valid() const {
    return std::none_of(problems.begin(), problems.end(), [](const Problem& each) { return each.severity == Severity::error; });
}

void sortByPlace(std::vector<Problem>& problems) {
    std::stable_sort(problems.begin(), problems.end(), [](const Problem& one, const Problem& other) {
        return std::tie(one.place.file, one.place.line) < std::tie(other.place.file, other.place.line);
    });
}

Validated validate(const Properties& properties, const Rules& rules) { return Validator(properties, rules).validate(); }

}  // namespace plugin::host
