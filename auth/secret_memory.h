#pragma once

#include <cstddef>

namespace auth {

/// Octets for secrets: in pages of their own, which no core file holds (MADV_DONTDUMP; where the kernel does not do that they are like any others),
/// and which nothing else shares. Thread-safe. Throws std::bad_alloc.
void* takeSecretMemory(std::size_t octets);
/// Wiped before anybody gets it again. `octets` as they were taken.
void giveSecretMemory(void* memory, std::size_t octets) noexcept;

/// For containers of secrets: also what they leave behind when they grow is wiped.
template <class T>
struct SecretAllocator {
    using value_type = T;
    SecretAllocator() = default;
    template <class Other>
    SecretAllocator(const SecretAllocator<Other>&) noexcept {}
    T* allocate(std::size_t count) { return static_cast<T*>(takeSecretMemory(count * sizeof(T))); }
    void deallocate(T* memory, std::size_t count) noexcept { giveSecretMemory(memory, count * sizeof(T)); }
    template <class Other>
    bool operator==(const SecretAllocator<Other>&) const noexcept {
        return true;
    }
};

}  // namespace auth
