#pragma once

#include "listener/delivery/spool.h"
#include "listener/message/metadata.h"
#include "listener/message/sha256.h"
#include "tests/simulation/inline_loop.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace spooling {

using listener::Delivery;
using listener::Message;

inline std::string bytesOf(int number, std::size_t size) {
    std::string bytes = "Message-ID: <" + std::to_string(number) + "@x>\r\nSubject: " + std::to_string(number) + "\r\n\r\n";
    std::uint32_t state = static_cast<std::uint32_t>(number);
    while (bytes.size() < size) bytes += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    return bytes;
}

/// `staging`: null for content in memory, whatever its size.
inline Message messageOf(int number, const std::string& bytes, plugin::Directory* staging = nullptr, const std::string& mailbox = "box") {
    Message message;
    message.mailbox = mailbox;
    message.folder = "INBOX";
    message.protocol = "imap";
    message.position = {"1:" + std::to_string(number), static_cast<std::uint64_t>(number)};
    message.received = plugin::Wall{std::chrono::seconds{1793467923 + number}};
    message.id = listener::deliveryId(message.received, mailbox, message.protocol, message.folder, message.position.text);
    if (staging != nullptr) {
        auto file = staging->create(0600);
        REQUIRE(file);
        REQUIRE((*file)->append(bytes));
        message.content = listener::Content(std::shared_ptr<plugin::File>(std::move(*file)), staging->path(), listener::sha256(bytes));
    } else {
        message.content = listener::Content(std::make_shared<const std::string>(bytes), listener::sha256(bytes));
    }
    return message;
}

inline std::vector<Delivery> deliveriesOf(const std::vector<Message>& messages) {
    std::vector<Delivery> deliveries;
    for (const auto& message : messages) deliveries.emplace_back(message);
    return deliveries;
}

inline std::vector<Delivery> deliver(listener::Sink& sink, const std::vector<Message>& messages, plugin::Deadline deadline = plugin::Deadline::max(),
                                     std::stop_token stop = {}) {
    simulation::InlineLoop loop;
    auto deliveries = deliveriesOf(messages);
    loop.run(sink.deliver(deliveries, deadline, std::move(stop)));
    return deliveries;
}

inline bool isSettled(const Delivery& delivery) { return delivery.verdict() != Delivery::Verdict::notDelivered; }

}  // namespace spooling
