import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  build: { outDir: 'dist/app', emptyOutDir: true },
  server: { proxy: { '/api': process.env.WORKER_URL ?? 'http://127.0.0.1:6001' } },
});
