import type { GatewayClient } from './gateway-client.ts'
import { openSlotSecrets, type Secrets, type SlotSecrets } from './secrets.ts'

export interface SecretsKeeper extends Omit<SlotSecrets, 'take'> {
  /** Puts them where OpenClaw reads them and has it read them, now or as soon as it is ready. */
  take(secrets: Secrets): void
  /** OpenClaw has become ready. */
  ready(): void
}

export function createSecretsKeeper(deps: {
  slotDirectory: string
  readGateway(): Pick<GatewayClient, 'call'> | null
  log(text: string): void
}): SecretsKeeper {
  const secrets = openSlotSecrets(deps.slotDirectory)
  let due = false
  let saidWhere = secrets.inMemory

  const reload = async (): Promise<void> => {
    const gateway = deps.readGateway()
    if (!due || !gateway) return
    due = false
    try {
      await gateway.call('secrets.reload')
      deps.log('OpenClaw has taken up the changed secrets.')
    } catch (error) {
      due = true
      // OpenClaw's own message: it names owners and paths, and never a value.
      deps.log(`OpenClaw did not take up the changed secrets: ${(error as Error).message}`)
    }
  }

  return {
    paths: secrets.paths,
    inMemory: secrets.inMemory,
    redact: secrets.redact,
    clear: secrets.clear,
    take: (all) => {
      if (!saidWhere && all.length > 0) {
        saidWhere = true
        deps.log(
          'This machine has no file system in memory: secrets lie in a private file until the slot ends.',
        )
      }
      if (secrets.take(all)) due = true
      void reload()
    },
    ready: () => void reload(),
  }
}
