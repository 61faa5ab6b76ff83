#pragma once

#include "plugin/contract/result.h"

namespace plugin {

/// What a process leaves with, and what programs that are run say with their own: the names and numbers of sysexits.h.
namespace exits {
inline constexpr int ok = 0;
inline constexpr int usage = 64;
inline constexpr int dataErr = 65;
inline constexpr int unavailable = 69;
inline constexpr int software = 70;
inline constexpr int cantCreat = 73;
inline constexpr int ioErr = 74;
inline constexpr int tempFail = 75;
inline constexpr int noPerm = 77;
inline constexpr int config = 78;
}  // namespace exits

/// The exit status that tells a script what an Error means (contract): unavailable cannot reach, software a bug, cantCreat the data directory, ioErr
/// disk, tempFail try again, noPerm refused by the other side, config configuration or package.
inline int exitStatus(const Error& error) {
    const auto area = areaOf(error.code);
    if (error.code == Code::internalBug) return exits::software;
    if (error.code == Code::storeDataDirectory) return exits::cantCreat;
    if (error.code == Code::storeDiskFull || error.code == Code::sinkDiskFull || error.code == Code::storeDamaged) return exits::ioErr;
    if (area == Area::configuration || area == Area::package || area == Area::admin || error.code == Code::tokenCredentialIncomplete ||
        error.code == Code::storeSealed || error.code == Code::sinkPath)
        return exits::config;
    if (error.code == Code::storeLocked || error.code == Code::channelStopped) return exits::tempFail;
    if (area == Area::channel || error.code == Code::tokenEndpointUnreachable) return exits::unavailable;
    if (error.reaction == Reaction::retryLater || error.reaction == Reaction::reconnect) return exits::tempFail;
    if (area == Area::token || area == Area::mailbox) return exits::noPerm;
    return area == Area::store ? exits::ioErr : exits::tempFail;
}

}  // namespace plugin
