#include "plugin/host/record.h"

#include "plugin/contract/text.h"

#include <algorithm>
#include <ostream>

namespace plugin::host {

void writeRecord(const std::vector<RecordField>& fields, bool json, std::ostream& out) {
    if (json) {
        const char* separator = "{";
        for (const auto& each : fields) {
            out << separator << jsonText(each.name) << ": " << (each.none ? "null" : each.bare ? each.value : jsonText(each.value));
            separator = ", ";
        }
        out << "}\n";
        return;
    }
    std::size_t width = 0;
    for (const auto& each : fields) width = std::max(width, each.name.size());
    for (const auto& each : fields)
        if (!each.none) out << each.name << std::string(width + 2 - each.name.size(), ' ') << each.value << '\n';
}

std::string untilThen(Wall end, Wall now) {
    if (now >= end) return ", which is over";
    const auto days = std::chrono::ceil<std::chrono::days>(end - now).count();
    return ", in " + std::to_string(days) + (days == 1 ? " day" : " days");
}

}  // namespace plugin::host
