#include "plugin/host/application.h"

#include <Poco/Exception.h>
#include <sys/stat.h>

#include <iostream>
#include <string>
#include <vector>

int main(int count, char** values) {
    ::umask(077);  // before anything is written: what we make is ours alone unless a mode says otherwise
    constexpr int bug = 70;
    try {
        plugin::host::Application application(std::vector<std::string>(values + (count > 0 ? 1 : 0), values + count));
        return application.run(count > 0 ? 1 : 0, values);
    } catch (const Poco::Exception& exception) {
        std::cerr << exception.displayText() << std::endl;
    } catch (const std::exception& exception) {
        std::cerr << exception.what() << std::endl;
    }
    return bug;
}
