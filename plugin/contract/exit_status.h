#pragma once

#include "plugin/contract/result.h"

namespace plugin {

/// The exit status that tells a script what an Error means (contract, as sysexits.h): 69 cannot reach, 70 bug, 73 cannot create data, 74 disk,
/// 75 try again, 77 refused by the other side, 78 configuration or package.
inline int exitStatus(const Error& error) {
    const auto group = static_cast<unsigned>(error.code) / 1000;
    if (error.code == Code::internalBug) return 70;
    if (error.code == Code::storeDataDirectory) return 73;
    if (error.code == Code::storeDiskFull || error.code == Code::sinkDiskFull || error.code == Code::storeDamaged) return 74;
    if (group == 1 || group == 8 || group == 9 || error.code == Code::tokenCredentialIncomplete || error.code == Code::storeSealed ||
        error.code == Code::sinkPath)
        return 78;
    if (error.code == Code::storeLocked || error.code == Code::channelStopped) return 75;
    if (group == 2 || error.code == Code::tokenEndpointUnreachable) return 69;
    if (error.reaction == Reaction::retryLater || error.reaction == Reaction::reconnect) return 75;
    if (group == 3 || group == 4) return 77;
    return group == 7 ? 74 : 75;
}

}  // namespace plugin
