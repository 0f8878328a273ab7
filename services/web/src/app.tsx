import { Alert, Center, Loader } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { ApiError, getSession } from './api/worker-api.ts';
import { BatchesPage } from './pages/batches-page.tsx';
import { LoginPage } from './pages/login-page.tsx';

/** The login, or what is behind it. */
export function App() {
  const session = useQuery({ queryKey: ['session'], queryFn: getSession });
  if (session.isPending)
    return (
      <Centered>
        <Loader aria-label="Loading" />
      </Centered>
    );
  if (session.data) return <BatchesPage user={session.data.name} />;
  if (session.error instanceof ApiError && session.error.status === 401) return <LoginPage />;
  return (
    <Centered>
      <Alert color="red" title="The dashboard cannot reach the worker">
        {session.error?.message}
      </Alert>
    </Centered>
  );
}

function Centered({ children }: { children: React.ReactNode }) {
  return <Center h="100vh">{children}</Center>;
}
