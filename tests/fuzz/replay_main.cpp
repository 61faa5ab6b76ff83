// Runs a fuzz target over a stored corpus without libFuzzer: every file, and the beginnings of every file (a cut input is the
// cheapest way to a state nobody wrote down). Arguments: directories or files. Fails when it finds nothing to replay.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t cutsPerFile = 512;  // targets may be quadratic in the input: enough cuts to be worth it, not minutes

void replay(const std::string& bytes) {
    const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());  // its own block, so that a sanitizer sees a read past the end
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

std::vector<std::filesystem::path> filesBelow(int count, char** arguments) {
    std::vector<std::filesystem::path> files;
    for (int i = 1; i < count; ++i) {
        if (!std::filesystem::is_directory(arguments[i])) {
            files.emplace_back(arguments[i]);
            continue;
        }
        for (const auto& each : std::filesystem::recursive_directory_iterator(arguments[i]))
            if (each.is_regular_file()) files.push_back(each.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

int main(int count, char** arguments) {
    const auto files = filesBelow(count, arguments);
    for (const auto& file : files) {
        std::ifstream input(file, std::ios::binary);
        if (!input) {
            std::fprintf(stderr, "cannot read %s\n", file.c_str());
            return 1;
        }
        const std::string bytes{std::istreambuf_iterator<char>(input), {}};
        std::fprintf(stderr, "%s\n", file.c_str());  // the last one printed is the one that failed
        replay(bytes);
        const auto step = std::max<std::size_t>(1, bytes.size() / cutsPerFile);
        for (std::size_t cut = 0; cut < bytes.size(); cut += step) replay(bytes.substr(0, cut));
    }
    std::fprintf(stderr, "%zu files replayed\n", files.size());
    return files.empty() ? 1 : 0;
}
