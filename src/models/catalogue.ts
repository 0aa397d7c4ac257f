import { type Config, ConfigError } from '../config.ts'

/** How OpenClaw should speak to a model; the gateway answers all of them at different paths. */
export type ModelApi = 'openai-completions' | 'openai-responses' | 'anthropic-messages'

export interface CatalogueModel {
  /** PROVIDER/MODEL: what a request names. */
  id: string
  provider: string
  /** The provider's own name for it. */
  model: string
  name: string
  contextTokensMax: number
  outputTokensMax: number
  reasoning: boolean
  api: ModelApi
}

export interface ModelCatalogue {
  /** Id of the model that instances use by default. */
  primary: string
  /** Everything that instances may use; the primary comes first and the demo model last unless it is the primary. */
  offered: CatalogueModel[]
  /** True when the built-in demo model is the primary. */
  demo: boolean
  /** Id of the model for the warm-up turn of slots in the pool. */
  warmup: string
}

const demoModel: CatalogueModel = {
  id: 'demo/reef-demo',
  provider: 'demo',
  model: 'reef-demo',
  name: 'Reef demo',
  contextTokensMax: 128_000,
  outputTokensMax: 8192,
  reasoning: false,
  api: 'openai-completions',
}

type Limits = Pick<CatalogueModel, 'name' | 'contextTokensMax' | 'outputTokensMax' | 'reasoning'>

/**
 * Offered when a provider has a key and nothing else is configured; the first is the default. The limits are those of
 * OpenClaw's own catalogue, with the context of OpenAI's models held below the size from which they cost double.
 */
const knownModels: Record<string, Record<string, Limits>> = {
  openai: {
    'gpt-6-sol': limits('GPT-6 Sol', 272_000, 128_000),
    'gpt-6-astra': limits('GPT-6 Astra', 272_000, 128_000),
    'gpt-6-luna': limits('GPT-6 Luna', 272_000, 128_000),
  },
  anthropic: {
    'claude-sonnet-5': limits('Claude Sonnet 5', 1_000_000, 128_000),
    'claude-opus-5-5': limits('Claude Opus 5.5', 1_000_000, 128_000),
    'claude-haiku-4-5': limits('Claude Haiku 4.5', 200_000, 64_000),
  },
}

function limits(name: string, contextTokensMax: number, outputTokensMax: number): Limits {
  return { name, contextTokensMax, outputTokensMax, reasoning: true }
}

const officialOpenai = 'https://api.openai.com/v1'
const keyOf = { openai: 'OPENAI_API_KEY', anthropic: 'ANTHROPIC_API_KEY' } as const

type ModelConfig = Pick<
  Config,
  'OPENAI_API_KEY' | 'OPENAI_BASE_URL' | 'ANTHROPIC_API_KEY' | 'REEF_MODEL' | 'REEF_MODELS'
>

/** Which models instances are offered. Throws a ConfigError that names the setting to change. */
export function modelCatalogue(config: ModelConfig): ModelCatalogue {
  const chosen = [config.REEF_MODEL, ...(config.REEF_MODELS ?? '').split(',')]
    .map((id) => id?.trim() ?? '')
    .filter((id) => id !== '')
  const ids = config.REEF_MODEL ? chosen : [...defaultIds(config), ...chosen]
  const offered = [...new Set([...ids, demoModel.id])].map((id) => describe(id, config))
  const primary = offered[0]?.id ?? demoModel.id
  return { primary, offered, demo: primary === demoModel.id, warmup: demoModel.id }
}

/** The known models of every provider that has a key, in the order openai, anthropic. */
function defaultIds(config: ModelConfig): string[] {
  const ids: string[] = []
  if (config.OPENAI_API_KEY && isOfficialOpenai(config)) ids.push(...idsOf('openai'))
  if (config.ANTHROPIC_API_KEY) ids.push(...idsOf('anthropic'))
  if (config.OPENAI_API_KEY && ids.length === 0)
    throw new ConfigError(
      'OPENAI_BASE_URL is not OpenAI’s own, so Reef cannot know its models. ' +
        'Name one: REEF_MODEL=openai/NAME, with NAME as that server lists it.',
    )
  return ids
}

function idsOf(provider: 'openai' | 'anthropic'): string[] {
  return Object.keys(knownModels[provider] ?? {}).map((model) => `${provider}/${model}`)
}

function describe(id: string, config: ModelConfig): CatalogueModel {
  if (id === demoModel.id) return demoModel
  const [provider = '', ...rest] = id.split('/')
  const model = rest.join('/')
  if ((provider !== 'openai' && provider !== 'anthropic') || model === '')
    throw new ConfigError(
      `The model ${id} is not one of PROVIDER/MODEL with the providers openai and anthropic, nor ${demoModel.id}. ` +
        'Correct REEF_MODEL or REEF_MODELS.',
    )
  if (!config[keyOf[provider]])
    throw new ConfigError(`The model ${id} needs ${keyOf[provider]}. Set it, or choose another model.`)
  // What nobody described gets limits that every current model can hold.
  const known = knownModels[provider]?.[model] ?? {
    name: model,
    contextTokensMax: 128_000,
    outputTokensMax: 16_384,
    reasoning: false,
  }
  return { id, provider, model, ...known, api: apiOf(provider, config) }
}

/**
 * OpenAI's newest models take tools together with reasoning only in the Responses API; other servers behind
 * OPENAI_BASE_URL often have chat completions only. Anthropic's prompt cache works only in its own protocol.
 */
function apiOf(provider: 'openai' | 'anthropic', config: ModelConfig): ModelApi {
  if (provider === 'anthropic') return 'anthropic-messages'
  return isOfficialOpenai(config) ? 'openai-responses' : 'openai-completions'
}

function isOfficialOpenai(config: ModelConfig): boolean {
  return config.OPENAI_BASE_URL.replace(/\/+$/, '') === officialOpenai
}

/** The model that a request names: its id, or the provider's name for it where only one provider has it. */
export function findModel(offered: readonly CatalogueModel[], named: string): CatalogueModel | undefined {
  const exact = offered.find((model) => model.id === named)
  if (exact) return exact
  const candidates = offered.filter((model) => model.model === named)
  return candidates.length === 1 ? candidates[0] : undefined
}
