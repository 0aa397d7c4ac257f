import { hash } from 'node:crypto'
import type { Desired } from '../../supervisor/protocol.ts'
import type { Trx } from '../db/database.ts'
import type { SlotWanted } from '../db/schema.ts'
import { openRestoreOf } from '../domain/backups/open-restore.ts'
import { type CreditHold, holdReason } from '../domain/credits/holds.ts'
import { verifiedHostnamesOf } from '../domain/domains/custom-names.ts'
import type { SecretDelivery } from '../domain/secrets/delivery.ts'
import type { DeliveredSecret } from '../domain/secrets/secret.ts'
import type { RootSecret } from '../secrets.ts'
import { deliveryKeys } from '../slot-key.ts'
import type { Logger } from '../telemetry/log.ts'

/** What the control plane knows beside the database and a supervisor needs to be told. */
export interface DesiredSources {
  secret: RootSecret
  /** How long a supervisor may drain before it ends OpenClaw the hard way. */
  graceSeconds: number
  /** The model gateway, ending in `/v1`: a path at the address that links dial, or a URL. */
  modelBaseUrl(): string
  models(): Pick<Desired['models'], 'primary' | 'offered' | 'warmup'>
  /** A slot's own key for the model gateway. */
  modelKey(slotId: string): string
  /** What the owner's secrets are, if there is anything that knows. */
  secrets?: SecretDelivery
  /** What a slot may take up on its host's disk; null: as much as there is. */
  diskBytesMax?: number | null
  /** Origins of an instance's own address. */
  origins(slug: string): string[]
  /** The origin of a verified domain of its owner's. */
  customOrigin?(hostname: string): string
}

/** The part of a slot's row, and of its instance's, that decides what its supervisor should do. */
export interface DesiredFacts {
  slotId: string
  wanted: SlotWanted
  restartGeneration: number
  /** Whose link the row says it is. */
  linkNodeId: string | null
  linkConnectedAt: Date | null
  /** The restore that waits for this slot. */
  restoreId: string | null
  instance: {
    id: string
    slug: string
    ownerEmail: string | null
    hostnames: readonly string[]
    hold: CreditHold | null
    holdMessage: string | null
  } | null
  /** Opened by `addSecrets`. */
  secrets?: readonly DeliveredSecret[]
}

/** Reads the facts of many slots at once; a slot that does not exist is missing from the answer. */
export async function loadDesiredFacts(trx: Trx, slotIds: string[]): Promise<Map<string, DesiredFacts>> {
  const slots = await trx
    .selectFrom('slots')
    .leftJoin('instances', 'instances.id', 'slots.instance_id')
    // Whoever has left the organization has left its instances.
    .leftJoin('members', (join) =>
      join
        .onRef('members.organization_id', '=', 'instances.organization_id')
        .onRef('members.user_id', '=', 'instances.owner_user_id'),
    )
    .select([
      'slots.id',
      'slots.wanted',
      'slots.restart_generation',
      'slots.link_node_id',
      'slots.link_connected_at',
      openRestoreOf,
      'instances.id as instance_id',
      'instances.slug',
      'instances.credit_hold',
      'instances.credit_hold_message as holdMessage',
      verifiedHostnamesOf,
      'members.email',
    ])
    .where('slots.id', 'in', slotIds)
    .execute()
  return new Map(
    slots.map(({ instance_id: id, slug, email, hostnames, credit_hold: hold, holdMessage, ...slot }) => {
      const facts: DesiredFacts = {
        slotId: slot.id,
        wanted: slot.wanted,
        restartGeneration: slot.restart_generation,
        linkNodeId: slot.link_node_id,
        linkConnectedAt: slot.link_connected_at,
        restoreId: slot.restore_id,
        instance:
          id !== null && slug !== null ? { id, slug, ownerEmail: email, hostnames, hold, holdMessage } : null,
      }
      return [slot.id, facts]
    }),
  )
}

/** Opens what the slots' instances are to be given; after the transaction, since a KMS may be far away. */
export async function addSecrets(facts: Iterable<DesiredFacts>, sources: DesiredSources): Promise<void> {
  const assigned = [...facts].filter((slot) => slot.instance !== null && isToRun(slot))
  const loaded = await sources.secrets?.load(assigned.map((slot) => slot.instance?.id as string))
  for (const slot of assigned) slot.secrets = loaded?.get(slot.instance?.id as string) ?? []
}

function isToRun(facts: DesiredFacts): boolean {
  return facts.wanted === 'running' || facts.wanted === 'suspended'
}

/** What is remembered of what a slot was told: enough to see a change, and no secret. */
export function digestOf(desired: Desired): string {
  return hash('sha256', JSON.stringify(desired), 'base64')
}

function noticeOf({ hold, holdMessage }: NonNullable<DesiredFacts['instance']>): string | null {
  return hold && holdReason(hold, holdMessage).message
}

/** Pure, and equal facts give equal texts: whether something changed is seen by comparing the JSON. */
export function desiredOf(facts: DesiredFacts, sources: DesiredSources): Desired {
  const { primary, offered, warmup } = sources.models()
  return {
    // A suspended machine is paused by its driver; its supervisor goes on where it was.
    run: isToRun(facts) ? 'run' : 'stop',
    graceSeconds: sources.graceSeconds,
    notice: !isToRun(facts) && facts.instance ? noticeOf(facts.instance) : null,
    restartGeneration: facts.restartGeneration,
    models: {
      baseUrl: sources.modelBaseUrl(),
      apiKey: sources.modelKey(facts.slotId),
      primary,
      offered,
      warmup,
    },
    proxyToken: sources.secret.deriveToken('proxy token', facts.slotId),
    // A path at the address that links dial, which a host's gate relays too.
    slot: { baseUrl: '/slot', apiKey: deliveryKeys.of(sources.secret, facts.slotId) },
    restore: facts.restoreId === null ? null : { id: facts.restoreId },
    diskBytesMax: sources.diskBytesMax ?? null,
    secrets: (facts.secrets ?? []).map(({ id: _, ...secret }) => secret),
    owner: facts.instance && {
      instanceId: facts.instance.id,
      slug: facts.instance.slug,
      // What the proxy calls the visitor; only an instance's owner may visit it.
      userNames: facts.instance.ownerEmail === null ? [] : [facts.instance.ownerEmail],
      origins: [
        ...sources.origins(facts.instance.slug),
        ...facts.instance.hostnames.map((name) => sources.customOrigin?.(name) ?? `https://${name}`),
      ],
    },
  }
}

/** Writes down who was given which secret. That it was sent cannot wait for this and is not undone by its failure. */
export function recordSecrets(
  hold: { slotId: string; connectedAt: Date },
  facts: DesiredFacts,
  deps: { sources: DesiredSources; log: Logger },
): void {
  if (!facts.instance || !facts.secrets?.length) return
  const { slotId, connectedAt } = hold
  deps.sources.secrets
    ?.record({ slotId, linkConnectedAt: connectedAt, instanceId: facts.instance.id, secrets: facts.secrets })
    .catch((error) => deps.log.error({ err: error, slotId }, 'a delivery of secrets was not written down'))
}
