import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { queryClient } from './api/query-client.ts'
import { applyTheme } from './app/theme.ts'
import { router } from './routes.tsx'
import './styles.css'

applyTheme()

const element = document.getElementById('root')
if (!element) throw new Error('index.html has no element #root')

createRoot(element).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
)
