import { boundsOfRequest, type RequestBounds } from './bounds.ts'
import type { CatalogueModel } from './catalogue.ts'
import type { PromptReader, SeenPrompt, SeenPrompts } from './seen-prompts.ts'

export interface BoundedCall extends Omit<PromptReader, 'organizationId' | 'modelId'> {
  body: Record<string, unknown>
  /** How long the body was as it came. */
  bodyBytes: number
  model: CatalogueModel
  /** Null for a slot in the pool. */
  organizationId: string | null
}

/** How much a call can use, by what it is made of and by what was reported of prompts that begin alike. */
export function boundsOfCall(
  seenPrompts: SeenPrompts,
  { body, bodyBytes, model, organizationId, protocol, variant }: BoundedCall,
): { bounds: RequestBounds; prompt: SeenPrompt | undefined } {
  // Nobody pays for what the pool asks.
  if (organizationId === null) return { bounds: boundsOfRequest(body, bodyBytes, model), prompt: undefined }
  const prompt = seenPrompts.find(body, { organizationId, modelId: model.id, protocol, variant })
  const bounds = boundsOfRequest(body, Math.max(bodyBytes, prompt?.bytes ?? 0), model)
  if (prompt === undefined || bounds.readsElsewhere) return { bounds, prompt: undefined }
  const inputTokensMax = Math.min(bounds.inputTokensMax, prompt.inputTokensMax ?? bounds.inputTokensMax)
  // An estimate is Reef's own word, so it never goes beyond what is held.
  const inputTokensEstimate = Math.min(bounds.inputTokensEstimate, inputTokensMax)
  return { bounds: { ...bounds, inputTokensMax, inputTokensEstimate }, prompt }
}
