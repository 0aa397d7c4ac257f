import { MutationCache, QueryClient } from '@tanstack/react-query'
import { showError } from '../ui/toast.tsx'
import { onAuthChange, signedInUser } from './auth.ts'
import { isTransient } from './errors.ts'

declare module '@tanstack/react-query' {
  interface Register {
    mutationMeta: {
      /** The component shows the error itself, next to what caused it. */
      showsError?: boolean
    }
  }
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => isTransient(error) && failures < 3,
    },
  },
  mutationCache: new MutationCache({
    onError: (error, _variables, _result, mutation) => {
      if (!mutation.meta?.showsError) showError(error)
    },
  }),
})

// What one person was shown must not be there for the next one at the same browser.
onAuthChange(() => {
  if (!signedInUser()) queryClient.clear()
})
