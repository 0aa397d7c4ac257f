import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { systemClock } from '../../src/clock.ts'
import { readConfig } from '../../src/config.ts'
import type { ModelCaller } from '../../src/domain/instances/target.ts'
import type { Meter, ModelCall, ModelCallEnd } from '../../src/domain/usage/meter.ts'
import { createServer } from '../../src/http/server.ts'
import { newId } from '../../src/ids.ts'
import { modelCatalogue } from '../../src/models/catalogue.ts'
import { registerModelGateway } from '../../src/models/gateway.ts'
import { createProviders } from '../../src/models/providers.ts'
import { modelKeys } from '../../src/slot-key.ts'
import { testSecret } from './secret.ts'

export interface MemoryMeter extends Meter {
  calls: { call: ModelCall; end: ModelCallEnd | null }[]
  /** The next calls are refused with this message until it is null again. */
  refusal: string | null
  /** The next calls may write at most this much, until it is null again. */
  outputTokensMax: number | null
}

export function createMemoryMeter(): MemoryMeter {
  const meter: MemoryMeter = {
    calls: [],
    refusal: null,
    outputTokensMax: null,
    begin: async (call) => {
      if (meter.refusal !== null)
        return {
          admitted: false,
          kind: 'paymentRequired',
          code: 'credits_exhausted',
          message: meter.refusal,
        }
      const record: MemoryMeter['calls'][number] = { call, end: null }
      meter.calls.push(record)
      return {
        admitted: true,
        outputTokensMax: Math.min(call.outputTokensMax, meter.outputTokensMax ?? Number.POSITIVE_INFINITY),
        settle: async (end) => {
          if (record.end) throw new Error('a call was settled twice')
          record.end = end
        },
      }
    },
  }
  return meter
}

export interface TestGateway {
  /** Base URL of the listener. */
  url: string
  /** Key of a slot that somebody owns. */
  key: string
  callers: Map<string, ModelCaller>
  /** Adds a slot and answers its key. */
  addSlot(caller: Partial<ModelCaller>): string
  /** Everything that was logged, as text. */
  logged(): string
  close(): Promise<void>
}

export interface TestGatewayOptions {
  environment?: Record<string, string>
  meter: Meter
  /** Between two words of the demo model. */
  demoWordMilliseconds?: number
  /** How long answers may go on when it is closed. */
  drainSeconds?: number
}

/** The model gateway on a server of its own, in front of whatever the environment names. */
export async function startTestGateway(options: TestGatewayOptions): Promise<TestGateway> {
  const config = readConfig(options.environment ?? {})
  const lines: string[] = []
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) })
  const app = await createServer({ log, version: 'test' })
  const callers = new Map<string, ModelCaller>()
  await registerModelGateway(app, {
    secret: testSecret,
    callers: { findBySlot: async (slotId) => callers.get(slotId) },
    catalogue: modelCatalogue(config),
    providers: createProviders(config, {
      clock: systemClock,
      demoWordMilliseconds: options.demoWordMilliseconds ?? 0,
    }),
    meter: options.meter,
    clock: systemClock,
    ...(options.drainSeconds === undefined ? {} : { drainSeconds: options.drainSeconds }),
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const addSlot = (caller: Partial<ModelCaller>): string => {
    const slotId = caller.slotId ?? newId()
    callers.set(slotId, {
      slotId,
      slotState: 'assigned',
      organizationId: newId(),
      userId: newId(),
      instanceId: newId(),
      sessionId: null,
      ...caller,
    })
    return modelKeys.of(testSecret, slotId)
  }
  return {
    url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
    key: addSlot({}),
    callers,
    addSlot,
    logged: () => lines.join(''),
    close: () => app.close(),
  }
}
