import { z } from 'zod'
import { watchClientFrames } from './client-frames.ts'
import type { GatewayClient } from './gateway-client.ts'

/** Whether people use this OpenClaw, and when it wants to act by itself: what the idle ladder judges by. */
export interface Activity {
  /** A person's program asked for something. */
  noteRequest(): void
  /** For what a browser sends on an open Control UI. */
  watchVisitor(): (chunk: Buffer) => void
  /** Asks OpenClaw what it plans, now and then. */
  read(gateway: GatewayClient | null): Promise<{ activeAt: string | null; nextWakeAt: string | null }>
}

/**
 * What a person does in the Control UI. An open tab also asks for lists, health and histories all by itself, for ever;
 * none of that counts.
 */
const humanMethods = new RegExp(
  `^(${[
    'agent',
    'openclaw\\.chat',
    'chat\\.(send|abort|inject)',
    'sessions\\.(create|send|patch|patchMany|delete|reset|fork|rewind|compact|abort|steer|move|dispatch)',
    'sessions\\.(branches\\.switch|companion\\.ask|observer\\.ask|files\\.set|storage\\.run|github\\.publish|groups\\.(put|update|rename|delete))',
    'session\\.typing',
    'talk\\.(session\\.(create|appendAudio|steer)|client\\.(create|steer|transcript))',
    'terminal\\.(open|create|input|write|upload)',
    '(exec\\.|plugin\\.)?approval\\.resolve',
    'question\\.(answer|resolve)',
    'config\\.(set|patch|apply)',
    'cron\\.(add|update|remove|run)',
    '(skills|plugins)\\.(install|uninstall|update|setEnabled)',
    'secrets\\.store\\.(set|delete)',
    'tasks\\.(cancel|retry)',
    'web\\.login\\.start',
    'wizard\\.(start|next)',
    'board\\.action',
    'browser\\.request',
    'update\\.run',
    'wake',
  ].join('|')})$`,
)

/** The name of the method that a frame of OpenClaw's gateway protocol calls: one of the first things in it. */
export function isHumanFrame(beginning: string): boolean {
  const method = /"method"\s*:\s*"([^"]{1,80})"/.exec(beginning)?.[1]
  return method !== undefined && humanMethods.test(method)
}

const jobsSchema = z.looseObject({
  jobs: z.array(
    z.looseObject({
      enabled: z.boolean().default(true),
      declarationKey: z.string().nullish(),
      payload: z.looseObject({ kind: z.string() }).nullish(),
      nextRunAtMs: z.number().nullish(),
      lastRunStatus: z.string().nullish(),
      state: z
        .looseObject({ nextRunAtMs: z.number().nullish(), lastRunStatus: z.string().nullish() })
        .nullish(),
    }),
  ),
})

/**
 * When the first of its jobs is due, heartbeats among them, which OpenClaw keeps as jobs of its own. A heartbeat that
 * was skipped the last time, because there is nobody to tell or nothing to look at, would be skipped again: for that
 * nobody is woken.
 */
export function nextWakeOf(cronList: unknown): Date | null {
  const parsed = jobsSchema.safeParse(cronList)
  if (!parsed.success) return null
  let next: number | null = null
  for (const job of parsed.data.jobs) {
    const at = job.nextRunAtMs ?? job.state?.nextRunAtMs
    const last = job.lastRunStatus ?? job.state?.lastRunStatus
    if (housekeeping.test(job.declarationKey ?? '')) continue
    if (!job.enabled || !at || (job.payload?.kind === 'heartbeat' && last === 'skipped')) continue
    if (next === null || at < next) next = at
  }
  return next === null ? null : new Date(next)
}

/** OpenClaw's own tidying of memory and skills can wait until somebody needs it awake anyway. */
const housekeeping = /^(memory-core|skills?|skill-workshop)\b/

/** A job that was added just before the instance falls asleep must be known by then. */
const askEveryMs = 20_000
const askMaxMs = 3_000

export function createActivity(now: () => number = Date.now): Activity {
  let activeAt: number | null = null
  let nextWakeAt: string | null = null
  let askedAt = Number.NEGATIVE_INFINITY
  const noteRequest = (): void => {
    activeAt = now()
  }

  return {
    noteRequest,
    watchVisitor: () =>
      watchClientFrames((beginning) => {
        if (isHumanFrame(beginning)) noteRequest()
      }),
    read: async (gateway) => {
      if (gateway && now() - askedAt > askEveryMs) {
        askedAt = now()
        nextWakeAt = await gateway.call('cron.list', {}, { timeoutMs: askMaxMs }).then(
          (list) => nextWakeOf(list)?.toISOString() ?? null,
          // As last known: it is busy, or restarts.
          () => nextWakeAt,
        )
      }
      return { activeAt: activeAt === null ? null : new Date(activeAt).toISOString(), nextWakeAt }
    },
  }
}
