#include "plugin/host/logging.h"

#include "plugin/contract/handle.h"
#include "plugin/contract/text.h"
#include "plugin/host/timestamp.h"

#include <Poco/AutoPtr.h>
#include <Poco/Channel.h>
#include <Poco/Logger.h>
#include <Poco/Message.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

namespace plugin::host {

namespace {

constexpr std::array<std::string_view, 6> levelNames{"error", "warning", "notice", "information", "debug", "trace"};
constexpr std::size_t mostWaiting = 8U << 20;  // bytes between the callers and the writing thread

void appendEscaped(std::string& out, std::string_view text, bool quoted) {
    static constexpr char hex[] = "0123456789abcdef";
    for (const char c : text) {
        const auto octet = static_cast<unsigned char>(c);
        if (quoted && (c == '"' || c == '\\')) {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\r') {
            out += "\\r";
        } else if (c == '\t') {
            out += "\\t";
        } else if (octet < 0x20 || octet == 0x7f) {
            out += "\\x";
            out += hex[octet >> 4];
            out += hex[octet & 15];
        } else {
            out += c;
        }
    }
}

bool plain(std::string_view value) {
    if (value.empty()) return false;
    for (const char c : value)
        if (const auto octet = static_cast<unsigned char>(c); octet <= 0x20 || octet == 0x7f || c == '"' || c == '\\' || c == '=') return false;
    return true;
}

/// The end of the way: standard error, or a file followed by its name.
class Output {
public:
    explicit Output(std::string file) : file_(std::move(file)) {
        if (!file_.empty()) opened_ = open();
    }

    bool usable() const { return fd() >= 0; }
    /// A line that cannot be written is lost: there is nobody left to tell.
    void write(std::string_view line) {
        while (!line.empty()) {
            const auto written = ::write(fd(), line.data(), line.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) return;
            line.remove_prefix(static_cast<std::size_t>(written));
        }
    }
    /// After logrotate: another file (or none) has the name.
    void follow() {
        if (file_.empty()) return;
        struct stat named {
        }, ours{};
        const bool same =
            ::stat(file_.c_str(), &named) == 0 && ::fstat(fd(), &ours) == 0 && named.st_ino == ours.st_ino && named.st_dev == ours.st_dev;
        if (same) return;
        if (auto fresh = open()) opened_ = std::move(fresh);  // no new one to be had: better the old one than none
    }

private:
    Handle open() const { return Handle(::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640)); }
    int fd() const { return file_.empty() ? STDERR_FILENO : opened_.get(); }

    std::string file_;
    Handle opened_{};
};

class Writer final : public HostLog {
public:
    Writer(LogOptions options, Clock& clock) : level_(options.level), json_(options.json), clock_(clock), output_(options.file) {}
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer() override {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
        }
        wake_.notify_all();
        if (thread_.joinable()) thread_.join();
    }

    bool usable() const { return output_.usable(); }
    void start() {
        thread_ = std::thread([this] { work(); });
    }

    bool enabled(Level level) const override { return level <= level_; }
    void level(Level least) override { level_ = least; }
    void write(Level level, std::string_view logger, std::string_view message, const std::vector<Field>& fields) override {
        if (!enabled(level)) return;
        auto line = this->line(level, logger, message, fields);
        {
            const std::lock_guard lock(mutex_);
            if (waiting_.size() + line.size() > mostWaiting) {
                ++dropped_;
                return;
            }
            waiting_ += line;
        }
        wake_.notify_one();
    }
    bool flush(std::chrono::milliseconds longest) override {
        std::unique_lock lock(mutex_);
        return idle_.wait_for(lock, longest, [this] { return waiting_.empty() && !writing_; });
    }

private:
    std::string line(Level level, std::string_view logger, std::string_view message, const std::vector<Field>& fields) {
        return (json_ ? jsonLine(clock_.wall(), level, logger, message, fields) : textLine(clock_.wall(), level, logger, message, fields)) + '\n';
    }
    void work() {
        auto followed = clock_.steady();
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
            if (waiting_.empty()) return;
            auto lines = std::exchange(waiting_, {});
            const auto dropped = std::exchange(dropped_, 0U);
            writing_ = true;
            lock.unlock();
            if (clock_.steady() - followed >= std::chrono::seconds(1)) {
                output_.follow();
                followed = clock_.steady();
            }
            writeLines(lines);
            if (dropped > 0) output_.write(line(Level::warning, "host.log", "log lines were dropped: the output is too slow", {{"lines", dropped}}));
            lock.lock();
            writing_ = false;
            if (waiting_.empty()) idle_.notify_all();
        }
    }
    void writeLines(std::string_view lines) {
        while (!lines.empty()) {
            const auto end = lines.find('\n') + 1;
            output_.write(lines.substr(0, end));
            lines.remove_prefix(end);
        }
    }

    std::atomic<Level> level_;
    bool json_;
    Clock& clock_;
    Output output_;  // the thread's own
    std::mutex mutex_{};
    std::condition_variable wake_{}, idle_{};
    std::string waiting_{};  // whole lines
    unsigned dropped_ = 0;
    bool writing_ = false;
    bool ending_ = false;
    std::thread thread_{};
};

/// What Poco's own parts say, in our form.
class FromPoco final : public Poco::Channel {
public:
    explicit FromPoco(Log& log) : log_(log) {}
    void log(const Poco::Message& message) override {
        log_.write(level(message.getPriority()), "poco", message.getText(), {{"source", message.getSource()}});
    }

private:
    static Level level(Poco::Message::Priority priority) {
        if (priority <= Poco::Message::PRIO_ERROR) return Level::error;
        if (priority == Poco::Message::PRIO_WARNING) return Level::warning;
        if (priority == Poco::Message::PRIO_NOTICE) return Level::notice;
        return priority == Poco::Message::PRIO_INFORMATION ? Level::debug : Level::trace;  // a library's information is our detail
    }
    Log& log_;
};

class PocoToo final : public HostLog {
public:
    explicit PocoToo(std::unique_ptr<Writer> writer) : writer_(std::move(writer)) {
        Poco::Logger::root();  // made by the first who asks; setChannel reaches only those that exist
        Poco::Logger::setChannel("", Poco::AutoPtr<Poco::Channel>(new FromPoco(*writer_)));
    }
    PocoToo(const PocoToo&) = delete;
    PocoToo& operator=(const PocoToo&) = delete;
    ~PocoToo() override { Poco::Logger::setChannel("", nullptr); }

    bool enabled(Level level) const override { return writer_->enabled(level); }
    void write(Level level, std::string_view logger, std::string_view message, const std::vector<Field>& fields) override {
        writer_->write(level, logger, message, fields);
    }
    bool flush(std::chrono::milliseconds longest) override { return writer_->flush(longest); }
    void level(Level least) override { writer_->level(least); }

private:
    std::unique_ptr<Writer> writer_;
};

}  // namespace

std::string_view levelName(Level level) { return levelNames[static_cast<std::size_t>(level)]; }

std::optional<Level> levelNamed(std::string_view name) {
    for (std::size_t i = 0; i < levelNames.size(); ++i)
        if (levelNames[i] == name) return static_cast<Level>(i);
    return std::nullopt;
}

std::string textLine(Wall time, Level level, std::string_view logger, std::string_view message, const std::vector<Field>& fields) {
    auto line = timestamp(time) + " " + std::string(levelName(level)) + " " + std::string(logger) + " ";
    appendEscaped(line, message, false);
    for (const auto& field : fields) {
        line.append(" ").append(field.key).append("=");
        if (plain(field.value)) {
            line += field.value;
        } else {
            line += '"';
            appendEscaped(line, field.value, true);
            line += '"';
        }
    }
    return line;
}

std::string jsonLine(Wall time, Level level, std::string_view logger, std::string_view message, const std::vector<Field>& fields) {
    auto line = "{\"time\":\"" + timestamp(time) + "\",\"level\":\"" + std::string(levelName(level)) + "\",\"logger\":" + jsonText(logger) +
                ",\"message\":" + jsonText(message);
    for (const auto& field : fields) {
        const bool taken = field.key == "time" || field.key == "level" || field.key == "logger" || field.key == "message";
        line += "," + jsonText(std::string(field.key) + (taken ? "_" : "")) + ":" + jsonText(field.value);
    }
    return line + "}";
}

Result<std::unique_ptr<HostLog>> makeHostLog(LogOptions options, Clock& clock) {
    const auto file = options.file;
    auto writer = std::make_unique<Writer>(std::move(options), clock);
    if (!writer->usable())
        return Error{Reaction::askOperator, Code::configBadValue, "log.file: " + file + " cannot be opened for writing: " + std::strerror(errno)};
    writer->start();
    return std::unique_ptr<HostLog>(std::make_unique<PocoToo>(std::move(writer)));
}

}  // namespace plugin::host
