#include "auth/secret_memory.h"

#include <openssl/crypto.h>
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <mutex>
#include <new>

namespace auth {

namespace {

constexpr std::size_t smallest = 32, largestShared = 64 * 1024;  // what is larger gets pages for itself alone
constexpr std::size_t chunkOctets = 256 * 1024;                  // taken from the system at a time; pages nobody has touched cost nothing
constexpr std::size_t pageOctets = 4096;
constexpr std::size_t sizes = std::countr_zero(largestShared) - std::countr_zero(smallest) + 1;

char* fromTheSystem(std::size_t octets) {
    void* const pages = ::mmap(nullptr, octets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    ::madvise(pages, octets, MADV_DONTDUMP);
    return static_cast<char*>(pages);
}

std::size_t wholePages(std::size_t octets) { return (octets + pageOctets - 1) / pageOctets * pageOctets; }

/// Blocks of powers of two, each size with a list of those that were given back. Never smaller again: what is in use at a time is little.
class Blocks {
public:
    char* take(std::size_t octets) {
        const auto size = std::bit_ceil(std::max(octets, smallest));
        const std::lock_guard lock(mutex_);
        auto*& first = free_[indexOf(size)];
        if (first == nullptr) return fresh(size);
        ASAN_UNPOISON_MEMORY_REGION(first, size);
        auto* const block = first;
        first = block->next;
        block->next = nullptr;
        return reinterpret_cast<char*>(block);
    }
    void give(char* memory, std::size_t octets) noexcept {
        const auto size = std::bit_ceil(std::max(octets, smallest));
        const std::lock_guard lock(mutex_);
        auto*& first = free_[indexOf(size)];
        ASAN_UNPOISON_MEMORY_REGION(memory, size);
        first = new (memory) Free{first};
        ASAN_POISON_MEMORY_REGION(memory, size);
    }

private:
    struct Free {
        Free* next;
    };
    static std::size_t indexOf(std::size_t size) { return static_cast<std::size_t>(std::countr_zero(size) - std::countr_zero(smallest)); }

    char* fresh(std::size_t size) {
        if (left_ < size) {  // what is left of the chunk before is lost: at most as much as the largest block
            next_ = fromTheSystem(chunkOctets);
            left_ = chunkOctets;
        }
        left_ -= size;
        auto* const block = next_;
        next_ += size;
        return block;
    }

    std::mutex mutex_{};
    std::array<Free*, sizes> free_{};
    char* next_ = nullptr;
    std::size_t left_ = 0;
};

/// Never destroyed: some secrets last as long as the process.
Blocks& blocks() {
    static auto* const all = new Blocks;
    return *all;
}

}  // namespace

void* takeSecretMemory(std::size_t octets) {
    if (octets > largestShared) return fromTheSystem(wholePages(octets));
    auto* const memory = blocks().take(octets);
    ASAN_POISON_MEMORY_REGION(memory + octets, std::bit_ceil(std::max(octets, smallest)) - octets);
    return memory;
}

void giveSecretMemory(void* memory, std::size_t octets) noexcept {
    OPENSSL_cleanse(memory, octets);
    if (octets > largestShared)
        ::munmap(memory, wholePages(octets));
    else
        blocks().give(static_cast<char*>(memory), octets);
}

}  // namespace auth
