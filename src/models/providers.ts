import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { modelCatalogue } from './catalogue.ts'
import { createDemoProvider } from './demo/provider.ts'
import { createHttpProvider } from './http-provider.ts'
import type { Provider } from './provider.ts'

export interface ProviderOptions {
  clock: Clock
  /** Between two words of the demo model. Default 12: about as fast as a real one. */
  demoWordMilliseconds?: number
}

type ProviderConfig = Pick<
  Config,
  | 'OPENAI_API_KEY'
  | 'OPENAI_BASE_URL'
  | 'ANTHROPIC_API_KEY'
  | 'ANTHROPIC_BASE_URL'
  | 'REEF_MODEL'
  | 'REEF_MODELS'
>

/** The providers that the configuration turns on, the demo always. */
export function createProviders(config: ProviderConfig, options: ProviderOptions): Provider[] {
  const catalogue = modelCatalogue(config)
  const providers = [
    createDemoProvider({
      clock: options.clock,
      wordMilliseconds: options.demoWordMilliseconds ?? 12,
      alternative: catalogue.demo ? null : catalogue.primary,
    }),
  ]
  if (config.OPENAI_API_KEY) providers.push(openai(config.OPENAI_API_KEY, config.OPENAI_BASE_URL))
  if (config.ANTHROPIC_API_KEY) providers.push(anthropic(config.ANTHROPIC_API_KEY, config.ANTHROPIC_BASE_URL))
  return providers
}

function openai(apiKey: string, baseUrl: string): Provider {
  const base = baseUrl.replace(/\/+$/, '')
  return createHttpProvider({
    name: 'openai',
    apiKey,
    urls: { chat_completions: `${base}/chat/completions`, responses: `${base}/responses` },
    authorize: () => ({ authorization: `Bearer ${apiKey}` }),
  })
}

/** Anthropic answers chat completions too, at its own compatible endpoint; its prompt cache works in messages only. */
function anthropic(apiKey: string, baseUrl: string): Provider {
  const base = baseUrl.replace(/\/+$/, '').replace(/\/v1$/, '')
  return createHttpProvider({
    name: 'anthropic',
    apiKey,
    urls: { messages: `${base}/v1/messages`, chat_completions: `${base}/v1/chat/completions` },
    authorize: (protocol): Record<string, string> =>
      protocol === 'messages' ? { 'x-api-key': apiKey } : { authorization: `Bearer ${apiKey}` },
  })
}
