#include "listener/delivery/spool.h"

#include "listener/delivery/copying.h"
#include "listener/message/metadata.h"
#include "plugin/contract/loop.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>

namespace listener {
namespace {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;

/// Up to so many files are cheaper to sync one by one than with all else the file system has to write (syncfs).
constexpr std::size_t fewFiles = 8;

/// One batch of one mailbox on its way into its directory, in four steps; each can fail for single messages or for all.
/// What comes to nothing leaves no name: a file is named only after its bytes are durable.
class SpoolBatch {
public:
    SpoolBatch(const SpoolSettings& settings, plugin::Directory& directory) : settings_(settings), directory_(directory) {}

    /// Files without names, not yet durable.
    void write(Delivery& delivery) {
        Item item{&delivery, delivery.message().id + ".eml", delivery.message().id + ".json", nullptr, nullptr, false};
        if (auto prepared = prepare(item); !prepared) return delivery.refused(prepared.error());
        items_.push_back(std::move(item));
    }

    void syncFiles() {
        const auto files = std::ranges::count_if(items_, [](const auto& item) { return item.content && !item.isSynced; }) +
                           std::ranges::count_if(items_, [](const auto& item) { return item.metadata != nullptr; });
        if (files == 0) return;
        if (static_cast<std::size_t>(files) > fewFiles && directory_.syncsTogether()) {
            if (auto synced = directory_.syncFiles(); !synced) refuseAll(synced.error());
            return;
        }
        keepIf([](Item& item) -> Result<void> {
            if (item.metadata)
                if (auto synced = item.metadata->sync(); !synced) return synced;
            return item.content && !item.isSynced ? item.content->sync() : Result<void>{};
        });
    }

    void publish() {
        keepIf([this](Item& item) -> Result<void> {
            if (item.metadata) {  // one that is there already says the same: made from the same message
                if (auto named = directory_.publish(*item.metadata, item.json); !named) return named.error();
            }
            return item.content ? publishContent(item) : Result<void>{};
        });
    }

    /// Also for what was there before: the attempt that named it may have failed at this very point.
    void settle() {
        if (items_.empty()) return;
        if (auto durable = directory_.syncNames(); !durable) return refuseAll(durable.error());
        for (auto& item : items_) item.isKnown ? item.delivery->known() : item.delivery->delivered();
    }

private:
    struct Item {
        Delivery* delivery;
        std::string eml, json;
        std::shared_ptr<plugin::File> content;   ///< null: the name exists
        std::unique_ptr<plugin::File> metadata;  ///< null: not wanted, or it exists
        bool isKnown;
        bool isSynced = false;  ///< the content, by itself
    };

    Result<void> prepare(Item& item) {
        const auto there = directory_.exists(item.eml);
        if (!there) return there.error();
        item.isKnown = *there;
        if (settings_.metadata) {
            // A power cut can keep the name of the one and lose the name of the other.
            const auto hasJson = item.isKnown ? directory_.exists(item.json) : Result<bool>{false};
            if (!hasJson) return hasJson.error();
            if (!*hasJson)
                if (auto written = writeMetadata(item); !written) return written;
        }
        return item.isKnown ? Result<void>{} : writeContent(item);
    }

    Result<void> writeMetadata(Item& item) {
        auto file = directory_.create(settings_.mode);
        if (!file) return file.error();
        item.metadata = std::move(*file);
        return item.metadata->append(metadataJson(item.delivery->message()));
    }

    Result<void> writeContent(Item& item) {
        const auto& content = item.delivery->message().content;
        if (content.inMemory() == nullptr && content.file() == nullptr)
            throw std::logic_error("message " + item.delivery->message().id + " has no content");
        if (content.file() != nullptr && content.directory() == directory_.path() && useStaged(content, item)) return {};
        return writeCopy(content, item);
    }

    /// The staged file becomes the spool file. Synced by itself: only its own descriptor knows what failed since it was made.
    bool useStaged(const Content& content, Item& item) const {
        auto file = content.sharedFile();
        if (!file->setMode(settings_.mode) || !file->sync()) return false;
        item.content = std::move(file);
        item.isSynced = true;
        return true;
    }

    Result<void> writeCopy(const Content& content, Item& item) {
        auto file = directory_.create(settings_.mode);
        if (!file) return file.error();
        item.content = std::move(*file);
        item.isSynced = false;
        return copyContent(content, *item.content, buffer_);
    }

    Result<void> publishContent(Item& item) {
        auto named = directory_.publish(*item.content, item.eml);
        if (!named && item.isSynced) {  // a staged file has one name in its life; its bytes can be copied always
            if (auto copied = writeCopy(item.delivery->message().content, item); !copied) return copied;
            if (auto synced = item.content->sync(); !synced) return synced;
            named = directory_.publish(*item.content, item.eml);
        }
        if (!named) return named.error();
        item.isKnown = !*named;
        return {};
    }

    template <class Step>
    void keepIf(Step step) {
        std::erase_if(items_, [&](Item& item) {
            const auto done = step(item);
            if (!done) item.delivery->refused(done.error());
            return !done;
        });
    }
    void refuseAll(const Error& error) {
        for (auto& item : items_) item.delivery->refused(error);
        items_.clear();
    }

    const SpoolSettings& settings_;
    plugin::Directory& directory_;
    std::vector<Item> items_{};
    std::string buffer_{};
};

class Spool final : public Sink {
public:
    Spool(SpoolSettings settings, plugin::Disk& disk) : settings_(std::move(settings)), disk_(disk) {}

    const std::string& name() const override { return settings_.name; }
    std::size_t batchLimit() const override { return 200; }

    plugin::Task<void> deliver(std::span<Delivery> batch, plugin::Deadline deadline, std::stop_token stop) override {
        auto& loop = co_await plugin::thisLoop();
        auto work = plugin::offload(loop, [this, batch, deadline, stop, &clock = loop.clock()] {
            const auto isLate = [&] { return stop.stop_requested() || clock.steady() >= deadline; };
            std::map<std::string_view, std::vector<Delivery*>> mailboxes;
            for (auto& delivery : batch) mailboxes[delivery.message().mailbox].push_back(&delivery);
            for (const auto& [mailbox, deliveries] : mailboxes) deliverTo(std::string(mailbox), deliveries, isLate);
        });
        co_await work;
    }

    Result<std::shared_ptr<plugin::Directory>> staging(const std::string& mailbox) override { return open(mailbox); }

private:
    template <class IsLate>
    void deliverTo(const std::string& mailbox, const std::vector<Delivery*>& deliveries, IsLate isLate) {
        auto directory = open(mailbox);  // for this batch alone: syncFiles() tells each Directory of a failure once
        if (!directory) {
            for (auto* delivery : deliveries) delivery->refused(directory.error());
            return;
        }
        SpoolBatch batch(settings_, **directory);
        for (auto* delivery : deliveries) {
            if (!isDeliveryId(delivery->message().id)) throw std::logic_error("not a delivery id: " + delivery->message().id);
            if (isLate())
                delivery->refused({Reaction::retryLater, Code::sinkUnavailable, (*directory)->path() + ": no time left to write the message"});
            else
                batch.write(*delivery);
        }
        batch.syncFiles();
        batch.publish();
        batch.settle();
    }

    Result<std::shared_ptr<plugin::Directory>> open(const std::string& mailbox) {
        if (mailbox.empty() || mailbox.front() == '.' || mailbox.find('/') != mailbox.npos) throw std::logic_error("not an alias: " + mailbox);
        auto directory = disk_.directory(settings_.path + "/" + mailbox, true, directoryMode());
        if (!directory) return directory;
        auto& place = placeOf(mailbox);
        const std::lock_guard lock(place.mutex);
        if (!place.isClean) {
            if (auto removed = (*directory)->removeLeftovers(); !removed) return removed.error();
            place.isClean = true;
        }
        return directory;
    }

    unsigned directoryMode() const { return 0700U | (settings_.mode & 0666U) | ((settings_.mode & 0444U) >> 2U); }

    struct Place {
        std::mutex mutex{};
        bool isClean = false;
    };
    Place& placeOf(const std::string& mailbox) {
        const std::lock_guard lock(mutex_);
        return places_[mailbox];
    }

    SpoolSettings settings_;
    plugin::Disk& disk_;
    std::mutex mutex_{};
    std::map<std::string, Place> places_{};  ///< nodes stay where they are
};

}  // namespace

std::unique_ptr<Sink> makeSpool(SpoolSettings settings, plugin::Disk& disk) { return std::make_unique<Spool>(std::move(settings), disk); }

}  // namespace listener
