#include "listener/ews/request.h"

#include <catch2/catch.hpp>

using namespace listener::ews;

// The order of elements is checked by the server of all other tests, and against Microsoft's schema where EWS_SCHEMA_DIR names it.

SCENARIO("what is asked is escaped", "[ews]") {
    const auto body =
        createFolder({.distinguished = "msgfolderroot", .mailbox = "o'neil&co@example.com"}, "a<b>&\"c\"\x01\xff\xef\xbf\xbe\n\xc3\xbc").body;
    CHECK(body.find("<t:EmailAddress>o'neil&amp;co@example.com</t:EmailAddress>") != std::string::npos);
    CHECK(body.find("<t:DisplayName>a&lt;b&gt;&amp;&quot;c&quot;\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd&#10;\xc3\xbc</t:DisplayName>") !=
          std::string::npos);
    CHECK(syncFolderItems("a\"/><x", "").body.find("<t:FolderId Id=\"a&quot;/&gt;&lt;x\"/>") != std::string::npos);
}

SCENARIO("a first listing sends no state, a later one does", "[ews]") {
    CHECK(syncFolderItems("f", "").body.find("SyncState") == std::string::npos);
    CHECK(syncFolderItems("f", "H4s+/=").body.find("<m:SyncState>H4s+/=</m:SyncState><m:MaxChangesReturned>512<") != std::string::npos);
}

SCENARIO("who is acted for stands in the header, if anybody", "[ews]") {
    const auto with = envelope(unsubscribe("s"), "Exchange2013_SP1", "intake@contoso.example");
    CHECK(with.find("<t:SmtpAddress>intake@contoso.example</t:SmtpAddress>") < with.find("<soap:Body>"));
    CHECK(envelope(unsubscribe("s"), "Exchange2010_SP2", "").find("Impersonation") == std::string::npos);
}
