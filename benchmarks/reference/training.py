"""The five models of `npm run bench -- training` in PyTorch, on one thread: steps a second of processor time.

    OPENBLAS_NUM_THREADS=1 python3 training.py

Debian's python3-torch with libopenblas0-pthread is what the README's figures are of.
"""
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
SECONDS = 3


def bench(name, model, batch, loss):
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = batch

    def step():
        optimiser.zero_grad()
        loss(model(x), y).backward()
        optimiser.step()

    for _ in range(3):
        step()
    steps, start = 0, time.process_time()
    while time.process_time() - start < SECONDS:
        step()
        steps += 1
    print(f"{name}: {steps / (time.process_time() - start):.4g} steps/s", flush=True)


class Factorisation(nn.Module):
    def __init__(self):
        super().__init__()
        self.users, self.items = nn.Embedding(6040, 32), nn.Embedding(3706, 32)

    def forward(self, x):
        return (self.users(x[:, 0]) * self.items(x[:, 1])).sum(1)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.lstm, self.dense = nn.Embedding(80, 8), nn.LSTM(8, 256, 2, batch_first=True), nn.Linear(256, 80)

    def forward(self, x):
        return self.dense(self.lstm(self.embedding(x))[0][:, -1])


def images(*shape):
    return torch.rand(32, *shape), torch.randint(0, 10, (32,))


bench("logistic regression", nn.Linear(784, 10), images(784), F.cross_entropy)
bench("MLP", nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)), images(784), F.cross_entropy)
cnn = nn.Sequential(
    nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(512, 10),
)
bench("CNN", cnn, images(1, 28, 28), F.cross_entropy)
pairs = torch.stack([torch.randint(0, 6040, (256,)), torch.randint(0, 3706, (256,))], 1)
bench("matrix factorisation", Factorisation(), (pairs, torch.rand(256)), F.mse_loss)
bench("LSTM", Recurrent(), (torch.randint(0, 80, (10, 80)), torch.randint(0, 80, (10,))), F.cross_entropy)
