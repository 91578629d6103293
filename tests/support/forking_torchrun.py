"""torchrun for scripts whose processes it forks (`--start-method fork`): they import nothing."""

from torch.distributed import run

import support.trains  # noqa: F401 - and with it what training imports

if __name__ == "__main__":
    run.main()
