#pragma once

/// The text that says whether program and package were built for one another: contract, Poco, compiler, and the build id, which stands for
/// every header that crosses the boundary and the flags that shape what they mean (cmake/package.cmake). Compared as a whole, before anything
/// else of a package is called; Poco itself compares only a type name. Targets that include this link `plugin_abi`.
#if !defined(POSTERN_BUILD_ID) || !defined(POSTERN_POCO_VERSION)
#error "plugin/contract/abi.h needs the definitions of the CMake target plugin_abi"
#endif

#define POSTERN_ABI "postern-contract-1 poco-" POSTERN_POCO_VERSION " compiler-" __VERSION__ " build-" POSTERN_BUILD_ID

/// Stands once in a package's entry file, beside its Poco manifest of plugin::Package.
#define POSTERN_PACKAGE_ABI                                                            \
    extern "C" __attribute__((visibility("default"))) const char* posternPackageAbi(); \
    extern "C" __attribute__((visibility("default"))) const char* posternPackageAbi() { return POSTERN_ABI; }
