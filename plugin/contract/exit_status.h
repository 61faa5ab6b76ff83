#pragma once

#include "plugin/contract/result.h"

namespace plugin {

/// The exit status that tells a script what an Error means (contract, as sysexits.h): 69 cannot reach, 70 bug, 73 cannot create data, 74 disk,
/// 75 try again, 77 refused by the other side, 78 configuration or package.
inline int exitStatus(const Error& error) {
    const auto area = areaOf(error.code);
    if (error.code == Code::internalBug) return 70;
    if (error.code == Code::storeDataDirectory) return 73;
    if (error.code == Code::storeDiskFull || error.code == Code::sinkDiskFull || error.code == Code::storeDamaged) return 74;
    if (area == Area::configuration || area == Area::package || area == Area::admin || error.code == Code::tokenCredentialIncomplete ||
        error.code == Code::storeSealed || error.code == Code::sinkPath)
        return 78;
    if (error.code == Code::storeLocked || error.code == Code::channelStopped) return 75;
    if (area == Area::channel || error.code == Code::tokenEndpointUnreachable) return 69;
    if (error.reaction == Reaction::retryLater || error.reaction == Reaction::reconnect) return 75;
    if (area == Area::token || area == Area::mailbox) return 77;
    return area == Area::store ? 74 : 75;
}

}  // namespace plugin
