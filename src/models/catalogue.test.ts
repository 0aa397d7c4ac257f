import { describe, expect, it } from 'vitest'
import { readConfig } from '../config.ts'
import { findModel, modelCatalogue } from './catalogue.ts'

const catalogueFor = (environment: Record<string, string>) => modelCatalogue(readConfig(environment))
const ids = (environment: Record<string, string>) =>
  catalogueFor(environment).offered.map((model) => model.id)

describe('the catalogue of models', () => {
  it('is the demo model alone where no provider has a key', () => {
    const catalogue = catalogueFor({})
    expect(catalogue).toMatchObject({ primary: 'demo/reef-demo', demo: true, warmup: 'demo/reef-demo' })
    expect(catalogue.offered).toHaveLength(1)
  })

  it('prefers a real model as soon as one key is set, and keeps the demo model for the warm-up', () => {
    const openai = catalogueFor({ OPENAI_API_KEY: 'k' })
    expect(openai.demo).toBe(false)
    expect(openai.primary).toMatch(/^openai\//)
    expect(openai.offered[0]).toMatchObject({ id: openai.primary, api: 'openai-responses' })
    expect(openai.offered.at(-1)?.id).toBe('demo/reef-demo')
    const anthropic = catalogueFor({ ANTHROPIC_API_KEY: 'k' })
    expect(anthropic.offered[0]).toMatchObject({ id: anthropic.primary, api: 'anthropic-messages' })
  })

  it('offers exactly what is configured, in that order, described even if unknown', () => {
    const environment = {
      OPENAI_API_KEY: 'k',
      OPENAI_BASE_URL: 'http://127.0.0.1:1/v1',
      REEF_MODEL: 'openai/meta/llama-4',
      REEF_MODELS: 'openai/other, demo/reef-demo',
    }
    expect(ids(environment)).toEqual(['openai/meta/llama-4', 'openai/other', 'demo/reef-demo'])
    expect(catalogueFor(environment).offered[0]).toMatchObject({
      model: 'meta/llama-4',
      api: 'openai-completions',
      contextTokensMax: 128_000,
    })
  })

  it('says which setting to change when a model cannot be offered', () => {
    expect(() => ids({ REEF_MODEL: 'openai/gpt-6-sol' })).toThrow('OPENAI_API_KEY')
    expect(() => ids({ REEF_MODEL: 'other/x' })).toThrow('REEF_MODEL')
    expect(() => ids({ OPENAI_API_KEY: 'k', OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' })).toThrow(
      'REEF_MODEL=openai/',
    )
  })

  it('finds a model by the provider’s name only where that is unambiguous', () => {
    const { offered } = catalogueFor({
      OPENAI_API_KEY: 'k',
      ANTHROPIC_API_KEY: 'k',
      REEF_MODEL: 'openai/same',
      REEF_MODELS: 'anthropic/same,openai/one',
    })
    expect(findModel(offered, 'one')?.id).toBe('openai/one')
    expect(findModel(offered, 'same')).toBeUndefined()
    expect(findModel(offered, 'anthropic/same')?.provider).toBe('anthropic')
    expect(findModel(offered, 'gpt-6-sol')).toBeUndefined()
  })
})
