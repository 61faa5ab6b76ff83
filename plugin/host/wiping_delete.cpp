// What this process gives back is wiped first, whoever has used it: texts of libraries that have seen a token, frames of coroutines, buffers that
// grew. What lasts is kept where no core file holds it (auth/secret_memory.h); here it is made sure of that nothing stays of what does not last.
#include <malloc.h>
#include <string.h>

#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define POSTERN_SANITIZED  // they have an allocator of their own
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POSTERN_SANITIZED
#endif

#ifndef POSTERN_SANITIZED

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

void operator delete(void* memory) noexcept {
    if (memory == nullptr) return;
    ::explicit_bzero(memory, ::malloc_usable_size(memory));
    std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }

#endif
