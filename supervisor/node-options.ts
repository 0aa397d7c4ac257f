/**
 * How Node is started for a supervisor, here and in deploy/docker/Dockerfile. With its usual young generation it lets
 * tens of megabytes of buffers pile up before it looks which are still needed; a supervisor is to leave the memory of
 * its machine to OpenClaw, also while it backs up gigabytes.
 */
export const supervisorNodeOptions = ['--max-semi-space-size=2']
