import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { bundleBudget } from './bundle-budget.ts'

/** A running Reef, for `npm run dev`. */
const reef = 'http://127.0.0.1:7300'

export default defineConfig({
  plugins: [react(), tailwindcss(), bundleBudget({ gzipBytesMax: 200_000, layout: /app-layout/ })],
  build: { outDir: 'dist', target: 'es2023', modulePreload: { polyfill: false } },
  server: { proxy: { '/api': reef, '/realtime': { target: reef, ws: true } } },
})
