import { z } from 'zod'

/** Who answers model calls. */
export const modelsSettings = {
  OPENAI_API_KEY: z.string().min(1).optional().describe('Turns on the provider openai.'),
  OPENAI_BASE_URL: z.url().default('https://api.openai.com/v1').describe('Any OpenAI-compatible endpoint.'),
  ANTHROPIC_API_KEY: z.string().min(1).optional().describe('Turns on the provider anthropic.'),
  ANTHROPIC_BASE_URL: z
    .url()
    .default('https://api.anthropic.com')
    .describe('Anthropic’s API or a compatible one.'),
  REEF_MODEL: z
    .string()
    .regex(/^[a-z0-9-]+\/.+$/, 'is PROVIDER/MODEL, for example openai/gpt-5.2')
    .optional()
    .describe(
      'Model that instances use. Default: the first of the first provider with a key, else demo/reef-demo.',
    ),
  REEF_MODELS: z
    .string()
    .optional()
    .describe('Models offered beside REEF_MODEL, comma-separated, each PROVIDER/MODEL.'),
}
