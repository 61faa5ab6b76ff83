#pragma once

#include "tests/servers/process.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace servers {

/// A person before a browser, as far as HTTP is concerned: curl with a cookie jar, redirects followed, forms filled in. Knows the pages of the tests'
/// identity provider. One sign-in session for each object. Blocks.
class Browser {
public:
    /// authority: PEM file of whom https is believed.
    /// connectTo: "NAME:PORT:HOST:PORT", where a name that nobody knows is found.
    Browser(const std::filesystem::path& directory, std::filesystem::path authority, std::string connectTo = {});

    struct Page {
        int status = 0;       ///< 0: the last address could not be reached
        std::string address;  ///< where it ended
        std::string body;
    };
    Page open(const std::string& url) const;
    /// Opens it, signs in and consents on every form that is shown, until there is none.
    Page signIn(const std::string& url, const std::string& user) const;
    /// Opens it, and follows "Cancel" on the first page.
    Page cancel(const std::string& url) const;
    /// Opens the address of a device's code, and aborts where the code is to be confirmed.
    Page abortDevice(const std::string& url) const;

private:
    Page submit(const Page& page, const std::vector<std::pair<std::string, std::string>>& form) const;
    Page fetch(const std::string& url, const std::vector<std::pair<std::string, std::string>>* form) const;
    std::filesystem::path jar_, authority_;
    std::string connectTo_;
};

}  // namespace servers
