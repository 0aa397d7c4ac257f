import { addSeconds, type LifecycleLimits } from './limits.ts'
import type { SlotFacts, SlotPatch } from './slot-lifecycle.ts'

/** A machine that ends by itself twice has shown enough. */
const crashesMax = 2

export type UpgradeFacts = Pick<
  SlotFacts,
  | 'spec_version'
  | 'made_of'
  | 'upgrade_from'
  | 'upgrade_until'
  | 'phase'
  | 'ready'
  | 'attempts'
  | 'failure_code'
  | 'failure_message'
>

/** How long an upgrade may take; see `limits.ts`. */
export type UpgradePatience = Pick<LifecycleLimits, 'upgradePatienceSeconds'>

/** Puts the slot on probation: its worker makes the machine anew of `specVersion`, on the state that it has. */
export function beginUpgrade(
  slot: Pick<SlotFacts, 'spec_version'>,
  specVersion: string,
  now: Date,
  { upgradePatienceSeconds }: UpgradePatience,
): SlotPatch {
  return {
    spec_version: specVersion,
    upgrade_from: slot.spec_version,
    upgrade_until: addSeconds(now, upgradePatienceSeconds),
    failure_code: null,
    failure_message: null,
    attempts: 0,
    retry_at: null,
  }
}

/** Ends a probation: passed once the new machine serves, rolled back when it failed or patience ran out. */
export function judgeUpgrade(
  slot: UpgradeFacts,
  now: Date,
  patience: UpgradePatience,
): SlotPatch | undefined {
  if (slot.upgrade_from === null) return undefined
  const serves = slot.phase === 'running' && slot.ready && slot.made_of === slot.spec_version
  if (serves) return { upgrade_from: null, upgrade_until: null }
  const reason = refusal(slot, now, patience)
  if (reason === undefined) return undefined
  return {
    spec_version: slot.upgrade_from,
    upgrade_from: null,
    upgrade_until: null,
    refused_spec: slot.spec_version,
    refused_reason: reason,
    failure_code: null,
    failure_message: null,
    attempts: 0,
    retry_at: null,
    not_ready_since: now,
  }
}

/** Whether the machine that exists is of other software than it should be. */
export function isOutdated(slot: Pick<SlotFacts, 'spec_version' | 'made_of'>): boolean {
  return slot.made_of !== null && slot.made_of !== slot.spec_version
}

function refusal(slot: UpgradeFacts, now: Date, patience: UpgradePatience): string | undefined {
  if (slot.failure_code !== null)
    return slot.failure_message ?? `The new machine failed (${slot.failure_code}).`
  if (slot.attempts >= crashesMax)
    return slot.failure_message ?? 'The new machine stopped by itself again and again.'
  if (slot.upgrade_until !== null && now >= slot.upgrade_until)
    return `OpenClaw did not become ready within ${inWords(patience.upgradePatienceSeconds)}.`
  return undefined
}

function inWords(seconds: number): string {
  return seconds >= 120 ? `${Math.round(seconds / 60)} minutes` : `${seconds} seconds`
}
