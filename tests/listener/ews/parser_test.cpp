#include "listener/ews/answer.h"
#include "listener/ews/date_time.h"
#include "listener/ews/envelope_cutter.h"
#include "listener/ews/folder_tree.h"
#include "listener/ews/refusal.h"
#include "listener/ews/substitute.h"
#include "tests/servers/base64.h"
#include "tests/servers/ews_server.h"

#include <catch2/catch.hpp>

using namespace listener::ews;
using Names = std::vector<std::string>;

namespace {

std::string filtered(std::string_view text, std::size_t piece) {
    ReferenceFilter filter;
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += piece) filter.feed(text.substr(at, piece), out);
    filter.finish(out);
    return out;
}

/// Of base64 in pieces; nothing: it is none, or not whole.
std::optional<std::string> decoded(std::string_view text, std::size_t piece) {
    Base64Reader reader;
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += piece)
        if (!reader.feed(text.substr(at, piece), out)) return std::nullopt;
    return reader.whole() ? std::optional{out} : std::nullopt;
}

struct Read {
    bool good = false;
    std::string why{};
    std::vector<std::string> bodies{};  ///< octets before each message
    std::vector<ResponseMessage> messages{};
    std::optional<Fault> fault{};
    std::string server{};
};

Read read(std::string_view text, std::size_t piece) {
    Read result;
    AnswerReader reader;
    result.good = true;
    std::string body;
    const auto take = [&] {
        for (auto& part : reader.take()) {
            if (auto* octets = std::get_if<std::string>(&part)) {
                body += *octets;
            } else {
                result.messages.push_back(std::move(std::get<ResponseMessage>(part)));
                result.bodies.push_back(std::exchange(body, {}));
            }
        }
    };
    for (std::size_t at = 0; at < text.size() && result.good; at += piece) {
        result.good = reader.feed(text.substr(at, piece));
        take();
    }
    result.good = result.good && reader.finish();
    result.why = reader.why();
    result.fault = reader.fault();
    result.server = reader.server();
    return result;
}

std::string answer(const std::string& operation, const std::string& messages) {
    return "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope "
           "xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header><h:ServerVersionInfo "
           "MajorVersion=\"15\" MinorVersion=\"2\" Version=\"V2017_07_11\" xmlns:h=\"urn:t\"/></s:Header><s:Body><m:" +
           operation + "Response xmlns:m=\"urn:m\" xmlns:t=\"urn:t\"><m:ResponseMessages>" + messages + "</m:ResponseMessages></m:" + operation +
           "Response></s:Body></s:Envelope>";
}

}  // namespace

SCENARIO("references to characters XML does not have become U+FFFD, however they are cut", "[ews]") {
    const std::string text = "a&#x0;b&#1;c&#x1F;&#xd800;&#xFFFE;&#x110000; &amp;&#65;&#x9;&#xfffd;&# &#; &#x; &x &&#2;&";
    const std::string fffd = "\xef\xbf\xbd";
    const std::string wanted = "a" + fffd + "b" + fffd + "c" + fffd + fffd + fffd + fffd + " &amp;&#65;&#x9;&#xfffd;&# &#; &#x; &x &" + fffd + "&";
    for (std::size_t piece = 1; piece <= text.size(); ++piece) CHECK(filtered(text, piece) == wanted);
    CHECK(filtered("&#" + std::string(100, '0') + ";", 7) == "&#" + std::string(100, '0') + ";");
}

SCENARIO("Base64 is read in pieces of any size, and nothing else", "[ews]") {
    for (const auto& bytes : {std::string(), std::string("f"), std::string("fo"), std::string("foo"), std::string("\0\xff\x80", 3)}) {
        const auto text = servers::base64(bytes);
        for (std::size_t piece = 1; piece <= text.size() + 1; ++piece) CHECK(decoded(text, piece) == bytes);
    }
    CHECK(decoded(" Zm9v\r\nZm8=\n", 3) == "foofo");
    std::string bytes;
    for (int i = 0; i < 10'000; ++i) bytes += static_cast<char>(i * 131 % 251 + i / 251);
    for (const std::size_t width : {76, 75, 6000, 100'000}) {  // lines that end within a group, and between two
        const auto text = servers::base64(bytes);
        std::string lines;
        for (std::size_t at = 0; at < text.size(); at += width) lines.append(text, at, width).append("\r\n");
        for (const std::size_t piece : {1, 3, 4, 1000, 4096, 20'000}) CHECK(decoded(lines, piece) == bytes);
        for (const std::size_t at : {0, 5, 4096, 9000}) {
            auto wrong = lines;
            wrong[at] = '!';
            CHECK_FALSE(decoded(wrong, 20'000));
        }
    }
    for (const std::string_view wrong : {"Zg=", "Zg", "Z===", "=", "Zm9v=", "Zg==Zg==", "Zm9v!", "Z-8_", "Zg=a"}) CHECK_FALSE(decoded(wrong, 2));
}

SCENARIO("times are read as Exchange writes them", "[ews]") {
    using namespace std::chrono;
    const plugin::Wall noon{sys_days{year{2026} / 11 / 22} + hours{12}};
    for (const auto* text :
         {"2026-11-22T12:00:00Z", "2026-11-22T12:00:00.123Z", "2026-11-22T12:00:00", "2026-11-22T13:30:00+01:30", "2026-11-22T04:00:00-08:00"})
        CHECK(readDateTime(text) == noon);
    for (const auto* text : {"", "2026-11-22", "2026-13-22T12:00:00Z", "2026-02-30T12:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22T12:00:00Zx",
                             "0001-01-01T00:00:00Z", "4501-01-01T00:00:00Z", "2026-11-22T12:00:00+99:00"})
        CHECK_FALSE(readDateTime(text));
}

SCENARIO("an answer means the same however the network cuts it", "[ews]") {
    const auto text = answer(
        "GetItem",
        "<m:GetItemResponseMessage ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode><m:Items><t:Message><t:MimeContent "
        "CharacterSet=\"UTF-8\">U3ViamVjdDogaGkNCg0KaGkNCg==</t:MimeContent><t:ItemId Id=\"AAMk+/=\" "
        "ChangeKey=\"CQ\"/><t:Subject>a&#x0;&lt;b</t:Subject>"
        "<t:DateTimeReceived>2026-11-22T12:00:00Z</t:DateTimeReceived><t:Size>17</t:Size><t:IsRead>true</t:IsRead></t:Message></m:Items>"
        "</m:GetItemResponseMessage><m:GetItemResponseMessage ResponseClass=\"Error\"><m:MessageText> The server is busy. "
        "</m:MessageText><m:ResponseCode>\n"
        "ErrorServerBusy </m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey><m:MessageXml><t:Value Name=\"Other\">7</t:Value><t:Value "
        "Name=\"BackOffMilliseconds\">2500</t:Value></m:MessageXml><m:Items/></m:GetItemResponseMessage>");
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
        const auto found = read(text, piece);
        REQUIRE(found.good);
        REQUIRE(found.messages.size() == 2);
        CHECK(found.bodies == Names{"Subject: hi\r\n\r\nhi\r\n", ""});
        CHECK(found.server == "15.2 V2017_07_11");
        const auto& item = found.messages[0].items.at(0);
        CHECK((found.messages[0].success && item.mime && item.id == "AAMk+/=" && item.element == "Message" && item.subject == "a\xef\xbf\xbd<b"));
        CHECK((item.received && item.size == 17 && item.isRead == true));
        CHECK((!found.messages[1].success && found.messages[1].code == "ErrorServerBusy" && found.messages[1].text == "The server is busy."));
        CHECK(found.messages[1].backOff == std::chrono::milliseconds{2500});
    }
}

SCENARIO("the content of a message is read with whatever XML allows in it, however the network cuts it", "[ews]") {
    for (const std::string written : {"Zm9vYmFy", "Zm9v<!-- > &lt; MimeContent> -->YmFy", "<![CDATA[Zm9v]]>YmFy", "Zm9v&#x59;mFy",
                                      "Zm9v<?some > thing?>YmFy", "Zm9v&#xD;\r\nYmFy", "\r\nZm\r9v\nYmFy \r"}) {
        const auto text = answer(
            "GetItem", "<m:GetItemResponseMessage ResponseClass=\"Success\"><m:Items><t:Message><t:MimeContent CharacterSet=\"a>b\">" + written +
                           "</t:MimeContent ><t:ItemId Id=\"1\"/></t:Message></m:Items></m:GetItemResponseMessage><m:GetItemResponseMessage "
                           "ResponseClass=\"Success\"><m:Items><t:Message><t:MimeContent>" +
                           written + "</t:MimeContent><t:ItemId Id=\"2\"/></t:Message></m:Items></m:GetItemResponseMessage>");
        for (std::size_t piece = 1; piece <= text.size(); ++piece) {
            INFO(written << " in pieces of " << piece);
            const auto found = read(text, piece);
            REQUIRE(found.good);
            REQUIRE(found.messages.size() == 2);
            CHECK(found.bodies == Names{"foobar", "foobar"});
            CHECK((found.messages[0].items.at(0).id == "1" && found.messages[1].items.at(0).id == "2"));
        }
    }
}

SCENARIO("changes of a folder are read whatever kind of item they are about", "[ews]") {
    const auto found = read(
        answer(
            "SyncFolderItems",
            "<m:SyncFolderItemsResponseMessage ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode><m:SyncState>H4sIAAB="
            "</m:SyncState><m:IncludesLastItemInRange>false</m:IncludesLastItemInRange><m:Changes><t:Create><t:Message><t:ItemId Id=\"1\"/>"
            "</t:Message></t:Create><t:Create><t:MeetingRequest><t:ItemId Id=\"3\"/></t:MeetingRequest></t:Create><t:Update><t:Item><t:ItemId "
            "Id=\"2\"/></t:Item></t:Update><t:Delete><t:ItemId Id=\"4\"/></t:Delete><t:ReadFlagChange><t:ItemId Id=\"5\"/><t:IsRead>true</t:IsRead>"
            "</t:ReadFlagChange></m:Changes></m:SyncFolderItemsResponseMessage>"),
        1000);
    REQUIRE(found.messages.size() == 1);
    const auto& message = found.messages.front();
    CHECK((message.syncState == "H4sIAAB=" && message.last == false));
    Names present, gone;
    for (const auto& change : message.changes) (change.kind == Change::Kind::gone ? gone : present).push_back(change.id);
    CHECK(present == Names{"1", "3", "2", "5"});
    CHECK(gone == Names{"4"});
}

SCENARIO("a fault is read with its code and the time it names", "[ews]") {
    const auto found = read(servers::EwsServer::fault("ErrorServerBusy", 297749, "Try again later.").body, 5);
    REQUIRE(found.fault);
    CHECK((found.fault->code == "ErrorServerBusy" && found.fault->text == "Try again later."));
    CHECK(found.fault->backOff == std::chrono::milliseconds{297749});
}

SCENARIO("notifications are read in whichever namespace they stand", "[ews]") {
    for (const std::string prefix : {"m", "t"}) {
        const auto found = read(
            answer(
                "GetStreamingEvents",
                "<m:GetStreamingEventsResponseMessage ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode><m:Notifications><" + prefix +
                    ":Notification><t:SubscriptionId>J=</t:SubscriptionId><t:NewMailEvent><t:TimeStamp>2026-11-22T04:31:29Z</t:TimeStamp><t:ItemId "
                    "Id=\"A\"/><t:ParentFolderId Id=\"F\"/></t:NewMailEvent><t:StatusEvent><t:Watermark>w</t:Watermark></t:StatusEvent></" +
                    prefix + ":Notification></m:Notifications></m:GetStreamingEventsResponseMessage>"),
            100);
        REQUIRE(found.messages.size() == 1);
        const auto& events = found.messages.front().events;
        REQUIRE(events.size() == 2);
        CHECK((events[0].element == "NewMailEvent" && events[0].folder == "F" && events[1].element == "StatusEvent"));
        CHECK(found.messages.front().subscription.empty());
    }
}

SCENARIO("what is no answer is refused, with a reason", "[ews]") {
    const auto item = [](const std::string& mime) {
        return answer("GetItem", "<m:GetItemResponseMessage ResponseClass=\"Success\"><m:Items><t:Message><t:MimeContent>" + mime +
                                     "</t:MimeContent></t:Message></m:Items></m:GetItemResponseMessage>");
    };
    CHECK(read(item("Zg=="), 9).good);
    CHECK(read(item("Zg="), 9).why == "the content of a message ends too early");
    CHECK(read(item("Zg==!"), 9).why == "the content of a message is not Base64");
    CHECK(read("<!DOCTYPE a [<!ENTITY b \"cccc\">]><a>&b;</a>", 9).why == "it has a document type");
    CHECK(read("<html><body><p>Sign in<br></body></html>", 9).why == "mismatched tag");
    CHECK_FALSE(read("", 9).good);
    CHECK_FALSE(read(item("Zg==").substr(0, 300), 9).good);
    std::string deep;
    for (int i = 0; i < 100; ++i) deep += "<a>";
    CHECK(read(deep, 9).why == "elements stand too deep");
    CHECK(read("<a b=\"" + std::string(3'000'000, 'c'), 100'000).why == "a tag is too long");
    CHECK(read(answer("GetFolder", "<m:GetFolderResponseMessage ResponseClass=\"Success\"><m:MessageText>" + std::string(20'000'000, 'x')), 100'000)
              .why == "it tells more at once than is kept");
}

SCENARIO("a stream of documents is cut into these", "[ews]") {
    const std::string one = "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"urn:s\"><s:Body>1</s:Body></s:Envelope>",
                      two = "<soap11:Envelope>2</soap11:Envelope >", three = "<Envelope><NoEnvelope></NoEnvelope></Envelope>";
    const auto stream = one + "\r\n" + two + three + " <s:Env";
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
        EnvelopeCutter cutter;
        Names found;
        for (std::size_t at = 0; at < stream.size(); at += piece) {
            cutter.feed(std::string_view{stream}.substr(at, piece));
            while (auto document = cutter.next()) found.push_back(*document);
        }
        CHECK(found == Names{one, two, three});
        CHECK_FALSE(cutter.empty());
    }
    EnvelopeCutter cutter;
    cutter.feed(std::string(EnvelopeCutter::limit + 1, 'x'));
    CHECK((!cutter.next() && cutter.overflows()));
}

SCENARIO("folders have names that do not depend on what the inbox is called", "[ews]") {
    const FolderTree tree({{.element = "Folder", .id = "c", .parent = "b", .name = "2026/11", .folderClass = "IPF.Note"},
                           {.element = "Folder", .id = "b", .parent = "i", .name = "Invoices", .folderClass = "IPF.Note"},
                           {.element = "Folder", .id = "i", .parent = "root", .name = "Posteingang", .folderClass = "IPF.Note"},
                           {.element = "CalendarFolder", .id = "k", .parent = "root", .name = "Kalender", .folderClass = "IPF.Appointment"},
                           {.element = "SearchFolder", .id = "s", .parent = "root", .name = "Unread", .folderClass = "IPF.Note"},
                           {.element = "Folder", .id = "x", .parent = "y", .name = "X"},
                           {.element = "Folder", .id = "y", .parent = "x", .name = "Y"}},
                          "i");
    Names names, mail;
    for (const auto& folder : tree.folders()) {
        names.push_back(folder.name);
        if (folder.holdsMail) mail.push_back(folder.name);
    }
    CHECK(names == Names{"INBOX", "INBOX/Invoices", "INBOX/Invoices/2026//11", "Kalender", "Unread"});
    CHECK(mail == Names{"INBOX", "INBOX/Invoices", "INBOX/Invoices/2026//11"});
    CHECK(tree.find("Inbox/Invoices")->id == "b");
    CHECK(tree.find("inbox/invoices/2026//11")->id == "c");
    CHECK(tree.find("Invoices") == nullptr);
    CHECK((withInbox("inbox") == "INBOX" && withInbox("Inbox/a") == "INBOX/a" && withInbox("Inbox//a") == "Inbox//a" &&
           withInbox("Inboxes") == "Inboxes"));
}

SCENARIO("in place of what cannot be rendered stands what is known of it", "[ews]") {
    ItemView item;
    item.subject = "Rechnung\r\nBcc: x@example.com";
    item.messageId = "<1@example.com>";
    const auto text = substituteFor(item, "ErrorMimeContentConversionFailed");
    CHECK(text.starts_with("Message-ID: <1@example.com>\r\nSubject: Rechnung  Bcc: x@example.com\r\n"));
    CHECK(text.find("(ErrorMimeContentConversionFailed)") != std::string::npos);
}
