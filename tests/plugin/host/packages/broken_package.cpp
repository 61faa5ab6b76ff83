// One way to be broken each: THROWING, FOREIGN_ABI, NO_MANIFEST, NO_SYMBOLS, OTHER_TYPE.
#include "plugin/contract/abi.h"
#include "plugin/contract/package.h"

#include <Poco/ClassLibrary.h>

#include <stdexcept>

namespace sample {

struct Other {
    virtual ~Other() = default;
};

class Broken final : public plugin::Package {
public:
    Broken() { throw std::runtime_error("the constructor broke"); }
    std::vector<plugin::Key> keys() const override { return {}; }
    void check(const plugin::Configuration&, std::vector<plugin::Problem>&) const override {}
    std::string schemaOwner() const override { return "broken"; }
    std::vector<plugin::Migration> migrations() const override { return {}; }
    std::vector<plugin::Command> commands() const override { return {}; }
    plugin::Result<void> start(plugin::Host&, plugin::Mode, std::function<void(int)>) override { return {}; }
    void reload() override {}
    void stop() override {}
};

}  // namespace sample

#if defined(FOREIGN_ABI)
extern "C" __attribute__((visibility("default"))) const char* posternPackageAbi() { return "postern-contract-0 poco-1.9 compiler-7 build-0"; }
#elif !defined(NO_SYMBOLS)
POSTERN_PACKAGE_ABI
#endif

#if defined(OTHER_TYPE)
POCO_BEGIN_MANIFEST(sample::Other)
POCO_END_MANIFEST
#elif !defined(NO_SYMBOLS) && !defined(NO_MANIFEST)
POCO_BEGIN_MANIFEST(plugin::Package)
POCO_EXPORT_INTERFACE(sample::Broken, "broken")
POCO_END_MANIFEST
#endif
