// What operator delete and OpenSSL give back is wiped first: texts of libraries that have seen a token, frames of coroutines, buffers that grew. What
// lasts is kept where no core file holds it (auth/secret_memory.h); here it is made sure of that nothing stays of what does not last. What C
// libraries free by themselves (SQLite, Expat) is not wiped: SQLite sees tokens sealed, Expat none.
#include "plugin/host/wiping.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <string.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define POSTERN_SANITIZED  // they have an allocator of their own
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POSTERN_SANITIZED
#endif

#ifdef POSTERN_SANITIZED

namespace plugin::host {

bool wipeWhatOpensslFrees() { return true; }

}  // namespace plugin::host

#else

namespace {

void giveBack(void* memory) {
    if (memory == nullptr) return;
    ::explicit_bzero(memory, ::malloc_usable_size(memory));
    std::free(memory);
}

void* takeForOpenssl(std::size_t size, const char*, int) { return size == 0 ? nullptr : std::malloc(size); }

void giveForOpenssl(void* memory, const char*, int) { giveBack(memory); }

void* retakeForOpenssl(void* memory, std::size_t size, const char*, int) {
    auto* const other = size == 0 ? nullptr : std::malloc(size);
    if (size > 0 && other == nullptr) return nullptr;  // as realloc(3): what was there stays
    if (memory != nullptr && other != nullptr) std::memcpy(other, memory, std::min(size, ::malloc_usable_size(memory)));
    giveBack(memory);
    return other;
}

}  // namespace

namespace plugin::host {

bool wipeWhatOpensslFrees() { return CRYPTO_set_mem_functions(takeForOpenssl, retakeForOpenssl, giveForOpenssl) == 1; }

}  // namespace plugin::host

// All other forms but those of over-aligned types call these two ([new.delete]). The program's are used by every library it loads.
void* operator new(std::size_t size) {
    for (;;) {
        if (auto* const memory = std::malloc(size > 0 ? size : 1)) return memory;
        if (const auto handler = std::get_new_handler())
            handler();
        else
            throw std::bad_alloc();
    }
}

void operator delete(void* memory) noexcept { giveBack(memory); }
void operator delete(void* memory, std::size_t) noexcept { giveBack(memory); }

#endif
