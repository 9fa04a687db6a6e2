// Recurrent layers for training on a CPU. One op walks a whole sequence forward, and one walks it
// backward through time, where TensorFlow's own loops run dozens of small ops at every step.
//
//   SeqappsRecurrent      GRU (reset after the product, gates z r h) or LSTM (gates i f c o)
//   SeqappsSimpleRecurrent  simple recurrent units (Lei et al. 2018) after their matrix product
//
// Rows of a batch and directions of time are split over TensorFlow's threads; no thread waits for
// another within a sequence. A row's sums have one order, whatever the number of threads.
//
// Sizes: B rows, T steps, U units, P = U rounded up to whole vectors, D directions, G gates.

#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/util/work_sharder.h"

namespace seqapps {
namespace {

using tensorflow::OpInputList;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::OpOutputList;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;

// ---- vectors ----------------------------------------------------------------------------------

// A vector is a register. A product's tile of kTall rows and kPanel vectors stays in registers: AVX-512
// has 32, AVX2 16, NEON 32.
#if defined(__AVX512F__)
constexpr int kBytes = 64, kTall = 8, kPanel = 3;
#elif defined(__AVX__)
constexpr int kBytes = 32, kTall = 6, kPanel = 2;
#else
constexpr int kBytes = 16, kTall = 6, kPanel = 4;
#endif
constexpr int kLanes = kBytes / sizeof(float);
typedef float Vec __attribute__((vector_size(kBytes), aligned(4)));
typedef int IntVec __attribute__((vector_size(kBytes), aligned(4)));

inline Vec Load(const float* from) { return *reinterpret_cast<const Vec*>(from); }
inline void Store(float* to, Vec value) { *reinterpret_cast<Vec*>(to) = value; }
inline Vec All(float value) { return Vec{} + value; }

inline Vec LoadSome(const float* from, int count) {
  if (count >= kLanes) return Load(from);
  Vec value{};
  std::memcpy(&value, from, sizeof(float) * count);
  return value;
}

inline void StoreSome(float* to, Vec value, int count) {
  if (count >= kLanes) {
    Store(to, value);
  } else {
    std::memcpy(to, &value, sizeof(float) * count);
  }
}

// Cephes' expf: 2^n times a polynomial of degree 6 on half an octave; relative error below 2e-7.
inline Vec Exp(Vec x) {
  x = x > 88.0f ? All(88.0f) : x;
  x = x < -87.0f ? All(-87.0f) : x;
  const Vec shifted = x * 1.44269504f + 12582912.0f;  // rounds to a whole number
  const Vec whole = shifted - 12582912.0f;
  Vec rest = x - whole * 0.693359375f;
  rest = rest + whole * 2.12194440e-4f;
  Vec sum = All(1.9875691500e-4f);
  sum = sum * rest + 1.3981999507e-3f;
  sum = sum * rest + 8.3334519073e-3f;
  sum = sum * rest + 4.1665795894e-2f;
  sum = sum * rest + 1.6666665459e-1f;
  sum = sum * rest + 5.0000001201e-1f;
  sum = sum * rest * rest + rest + 1.0f;
  const IntVec exponent = (__builtin_convertvector(whole, IntVec) + 127) << 23;
  Vec power;
  std::memcpy(&power, &exponent, sizeof(power));
  return sum * power;
}

inline Vec Sigmoid(Vec x) { return 1.0f / (1.0f + Exp(-x)); }
inline Vec Tanh(Vec x) { return 2.0f / (1.0f + Exp(-2.0f * x)) - 1.0f; }

// ---- matrix products --------------------------------------------------------------------------

// A matrix (inner, outer), its columns in panels of up to kPanel vectors that lie row by row; outer is
// a multiple of kLanes.
class Packed {
 public:
  template <typename Entry>
  Packed(int inner, int outer, Entry entry) : inner_(inner), outer_(outer) {
    values_.resize(static_cast<size_t>(inner) * outer);
    float* to = values_.data();
    for (int first = 0; first < outer; first += Width(first)) {
      for (int k = 0; k < inner; ++k) {
        for (int j = 0; j < Width(first); ++j) *to++ = entry(k, first + j);
      }
    }
  }

  // sums (rows, outer) += left times this; left is (rows, inner), or (inner, rows) if kTurned.
  template <bool kTurned = false>
  void AddProduct(const float* left, int left_stride, int rows, float* sums, int stride) const {
    const float* panel = values_.data();
    for (int first = 0; first < outer_; first += Width(first)) {
      const Place at{left, left_stride, rows, panel, sums + first, stride};
      switch (Width(first) / kLanes) {
        case 4: Rows<4, kTurned>(at); break;
        case 3: Rows<3, kTurned>(at); break;
        case 2: Rows<2, kTurned>(at); break;
        default: Rows<1, kTurned>(at);
      }
      panel += static_cast<size_t>(inner_) * Width(first);
    }
  }

 private:
  struct Place {
    const float* left;
    int left_stride, rows;
    const float* panel;
    float* sums;
    int stride;
  };

  int Width(int first) const { return std::min(outer_ - first, kPanel * kLanes); }

  template <int kVectors, bool kTurned>
  void Rows(const Place& at) const {
    int row = 0;
    for (; row + kTall <= at.rows; row += kTall) Tile<kTall, kVectors, kTurned>(at, row);
    for (; row + 4 <= at.rows; row += 4) Tile<4, kVectors, kTurned>(at, row);
    for (; row + 2 <= at.rows; row += 2) Tile<2, kVectors, kTurned>(at, row);
    for (; row < at.rows; ++row) Tile<1, kVectors, kTurned>(at, row);
  }

  template <int kRows, int kVectors, bool kTurned>
  void Tile(const Place& at, int row) const {
    const ptrdiff_t across = at.left_stride;
    const float* left = at.left + (kTurned ? row : row * across);
    const float* panel = at.panel;
    float* sums = at.sums + static_cast<ptrdiff_t>(row) * at.stride;
    Vec sum[kRows][kVectors];
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) {
        sum[m][j] = Load(sums + m * static_cast<ptrdiff_t>(at.stride) + kLanes * j);
      }
    }
    for (int k = 0; k < inner_; ++k) {
      Vec right[kVectors];
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) right[j] = Load(panel + kLanes * j);
      panel += kLanes * kVectors;
#pragma GCC unroll 8
      for (int m = 0; m < kRows; ++m) {
        const float value = kTurned ? left[k * across + m] : left[m * across + k];
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) sum[m][j] += value * right[j];
      }
    }
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) {
        Store(sums + m * static_cast<ptrdiff_t>(at.stride) + kLanes * j, sum[m][j]);
      }
    }
  }

  int inner_, outer_;
  std::vector<float> values_;
};

// ---- shapes and threads -----------------------------------------------------------------------

struct Sizes {
  int rows, steps, units, padded, directions, gates, kept;

  Sizes(const Tensor& projected, int directions, bool lstm)
      : rows(projected.dim_size(0)),
        steps(projected.dim_size(1)),
        directions(directions),
        gates(lstm ? 4 : 3),
        kept(lstm ? 5 : 4) {
    units = projected.dim_size(2) / gates;
    padded = (units + kLanes - 1) / kLanes * kLanes;
  }

  int Time(int direction, int step) const { return direction ? steps - 1 - step : step; }
};

// Runs work(direction, first row, end of rows) for all of them, over TensorFlow's threads.
void Split(OpKernelContext* context, int directions, int rows,
           const std::function<void(int, int, int)>& work) {
  auto* workers = context->device()->tensorflow_cpu_worker_threads();
  const int threads = workers->num_threads;
  const int slices = std::max(1, std::min((threads + directions - 1) / directions, rows));
  int height = (rows + slices - 1) / slices;
  if (height > kTall) height = (height + kTall - 1) / kTall * kTall;  // whole tiles
  const int heights = std::max(1, (rows + height - 1) / std::max(height, 1));
  auto some = [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int first = part / directions * height;
      work(part % directions, first, std::min(rows, first + height));
    }
  };
  const int64_t parts = static_cast<int64_t>(directions) * heights;
  constexpr int64_t kCost = 10'000'000;  // cycles: always worth a thread of its own
  if (threads <= 1 || parts <= 1) {
    some(0, parts);
  } else {
    tensorflow::Shard(threads, workers->workers, parts, kCost, some);
  }
}

const float* Values(const Tensor& tensor) {
  return tensor.NumElements() ? tensor.flat<float>().data() : nullptr;
}

// The end of each row: its number of true steps, or all of them.
class Lengths {
 public:
  Lengths(const Tensor& lengths, int steps)
      : values_(lengths.NumElements() ? lengths.flat<int>().data() : nullptr), steps_(steps) {}
  int operator[](int row) const { return values_ ? std::min(values_[row], steps_) : steps_; }
  int Longest(int begin, int end) const {
    int longest = 0;
    for (int row = begin; row < end; ++row) longest = std::max(longest, (*this)[row]);
    return longest;
  }

 private:
  const int* values_;
  int steps_;
};

// Copies gates (G, U) into (G, P) with zeros at the end of each, and back.
void Widen(const float* from, const Sizes& size, float* to) {
  for (int gate = 0; gate < size.gates; ++gate) {
    std::memcpy(to + gate * size.padded, from + gate * size.units, sizeof(float) * size.units);
  }
}

void Narrow(const float* from, const Sizes& size, float* to) {
  for (int gate = 0; gate < size.gates; ++gate) {
    std::memcpy(to + gate * size.units, from + gate * size.padded, sizeof(float) * size.units);
  }
}

void CopyState(const float* from, int rows, const Sizes& size, float* to) {
  if (!from) return;
  for (int row = 0; row < rows; ++row) {
    std::memcpy(to + row * size.padded, from + row * size.units, sizeof(float) * size.units);
  }
}

// ---- GRU and LSTM -----------------------------------------------------------------------------

REGISTER_OP("SeqappsRecurrent")
    .Input("projected: directions * float")
    .Input("kernel: directions * float")
    .Input("bias: directions * float")
    .Input("first_h: directions * float")
    .Input("first_c: directions * float")
    .Input("lengths: int32")
    .Attr("directions: int >= 1")
    .Attr("lstm: bool")
    .Attr("repeat: bool")
    .Output("hidden: float")
    .Output("last_h: directions * float")
    .Output("last_c: directions * float")
    .Output("kept: directions * float")
    .SetShapeFn([](InferenceContext* c) {
      int directions;
      TF_RETURN_IF_ERROR(c->GetAttr("directions", &directions));
      const DimensionHandle rows = c->Dim(c->input(0), 0), steps = c->Dim(c->input(0), 1);
      const DimensionHandle units = c->Dim(c->input(directions), 0);
      DimensionHandle width;
      TF_RETURN_IF_ERROR(c->Multiply(units, directions, &width));
      c->set_output(0, c->MakeShape({rows, steps, width}));
      for (int d = 0; d < directions; ++d) {
        c->set_output(1 + d, c->MakeShape({rows, units}));
        c->set_output(1 + directions + d, c->MakeShape({rows, units}));
        c->set_output(1 + 2 * directions + d, c->MakeShape({rows, steps, c->UnknownDim()}));
      }
      return absl::OkStatus();
    });

class Recurrent : public OpKernel {
 public:
  explicit Recurrent(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("lstm", &lstm_));
    OP_REQUIRES_OK(context, context->GetAttr("repeat", &repeat_));
  }

  void Compute(OpKernelContext* context) override {
    OpInputList projected, kernel, bias, first_h, first_c;
    OP_REQUIRES_OK(context, context->input_list("projected", &projected));
    OP_REQUIRES_OK(context, context->input_list("kernel", &kernel));
    OP_REQUIRES_OK(context, context->input_list("bias", &bias));
    OP_REQUIRES_OK(context, context->input_list("first_h", &first_h));
    OP_REQUIRES_OK(context, context->input_list("first_c", &first_c));
    const Tensor* lengths;
    OP_REQUIRES_OK(context, context->input("lengths", &lengths));
    const Sizes size(projected[0], projected.size(), lstm_);
    const Lengths ends(*lengths, size.steps);

    Tensor* hidden;
    OpOutputList last_h, last_c, kept;
    OP_REQUIRES_OK(context, context->output_list("last_h", &last_h));
    OP_REQUIRES_OK(context, context->output_list("last_c", &last_c));
    OP_REQUIRES_OK(context, context->output_list("kept", &kept));
    OP_REQUIRES_OK(context, context->allocate_output(
                                0, {size.rows, size.steps, size.directions * size.units}, &hidden));
    std::vector<Packed> kernels;
    std::vector<float*> out_h, out_c, out_kept;
    for (int d = 0; d < size.directions; ++d) {
      Tensor *h, *c, *all;
      const TensorShape state({size.rows, size.units});
      OP_REQUIRES_OK(context, last_h.allocate(d, state, &h));
      OP_REQUIRES_OK(context, last_c.allocate(d, state, &c));
      OP_REQUIRES_OK(
          context, kept.allocate(d, {size.rows, size.steps, size.kept * size.padded}, &all));
      out_h.push_back(h->flat<float>().data());
      out_c.push_back(c->flat<float>().data());
      out_kept.push_back(all->flat<float>().data());
      const float* weights = kernel[d].flat<float>().data();
      kernels.emplace_back(size.units, size.gates * size.padded, [&](int k, int n) {
        const int gate = n / size.padded, unit = n % size.padded;
        return unit < size.units ? weights[(k * size.gates + gate) * size.units + unit] : 0.0f;
      });
    }
    float* out = hidden->flat<float>().data();
    Split(context, size.directions, size.rows, [&](int d, int begin, int end) {
      Walk(size, ends, d, begin, end, kernels[d], Values(projected[d]), Values(bias[d]),
           Values(first_h[d]), Values(first_c[d]), out, out_h[d], out_c[d], out_kept[d]);
    });
  }

 private:
  void Walk(const Sizes& size, const Lengths& ends, int direction, int begin, int end,
            const Packed& kernel, const float* projected, const float* bias, const float* first_h,
            const float* first_c, float* hidden, float* last_h, float* last_c, float* kept) const {
    const int rows = end - begin, units = size.units, padded = size.padded;
    const int width = size.gates * padded, longest = ends.Longest(begin, end);
    std::vector<float> states(static_cast<size_t>(rows) * padded);  // of the product's rows
    std::vector<float> h(static_cast<size_t>(rows) * units), c(states.size());
    std::vector<float> gates(static_cast<size_t>(rows) * width), wide(width);
    std::vector<float> before(width), fresh(padded);  // the biases: in the product, and a GRU's h
    if (first_h) CopyState(first_h + static_cast<size_t>(begin) * units, rows, size, states.data());
    if (first_c) CopyState(first_c + static_cast<size_t>(begin) * units, rows, size, c.data());
    for (int row = 0; row < rows; ++row) {
      std::memcpy(&h[row * units], &states[row * padded], sizeof(float) * units);
    }
    Widen(bias, size, before.data());
    if (!lstm_) {  // the second row is that of the recurrent product
      std::vector<float> recurrent(width);
      Widen(bias + size.gates * units, size, recurrent.data());
      std::copy_n(&before[2 * padded], padded, fresh.begin());
      std::fill_n(&before[2 * padded], padded, 0.0f);
      for (int u = 0; u < width; ++u) before[u] += recurrent[u];
    }
    for (int step = 0; step < size.steps; ++step) {
      const int time = size.Time(direction, step);
      if (time < longest) {
        for (int row = 0; row < rows; ++row) {
          float* gate = &gates[static_cast<size_t>(row) * width];
          std::memcpy(gate, before.data(), sizeof(float) * width);
        }
        kernel.AddProduct(h.data(), units, rows, gates.data(), width);
      }
      for (int row = 0; row < rows; ++row) {
        const size_t at = static_cast<size_t>(begin + row) * size.steps + time;
        float* out = hidden + (at * size.directions + direction) * units;
        float* state = &states[static_cast<size_t>(row) * padded];
        const int length = ends[begin + row];
        if (time >= length) {  // padding repeats the output before it, or is 0
          if (repeat_ && direction == 0 && length > 0) {
            std::memcpy(out, state, sizeof(float) * units);
          } else {
            std::memset(out, 0, sizeof(float) * units);
          }
          continue;
        }
        const float* gate = &gates[static_cast<size_t>(row) * width];
        float* keep = kept + at * size.kept * padded;
        const float* input = projected + at * size.gates * units;
        if (units != padded) {
          Widen(input, size, wide.data());
          input = wide.data();
        }
        if (lstm_) {
          Lstm(gate, input, padded, state, &c[static_cast<size_t>(row) * padded], keep);
        } else {
          Gru(gate, input, fresh.data(), padded, state, keep);
        }
        std::memcpy(out, state, sizeof(float) * units);
        std::memcpy(&h[static_cast<size_t>(row) * units], state, sizeof(float) * units);
      }
    }
    for (int row = 0; row < rows; ++row) {
      const size_t to = static_cast<size_t>(begin + row) * units;
      std::memcpy(last_h + to, &states[row * padded], sizeof(float) * units);
      std::memcpy(last_c + to, &c[row * padded], sizeof(float) * units);
    }
  }

  static void Gru(const float* gate, const float* input, const float* bias, int padded,
                  float* state, float* keep) {
    for (int u = 0; u < padded; u += kLanes) {
      const Vec z = Sigmoid(Load(input + u) + Load(gate + u));
      const Vec r = Sigmoid(Load(input + padded + u) + Load(gate + padded + u));
      const Vec inner = Load(gate + 2 * padded + u);
      const Vec fresh = Tanh(Load(input + 2 * padded + u) + Load(bias + u) + r * inner);
      Store(state + u, fresh + z * (Load(state + u) - fresh));
      Store(keep + u, z);
      Store(keep + padded + u, r);
      Store(keep + 2 * padded + u, fresh);
      Store(keep + 3 * padded + u, inner);
    }
  }

  static void Lstm(const float* gate, const float* input, int padded, float* state, float* cell,
                   float* keep) {
    for (int u = 0; u < padded; u += kLanes) {
      const Vec i = Sigmoid(Load(input + u) + Load(gate + u));
      const Vec f = Sigmoid(Load(input + padded + u) + Load(gate + padded + u));
      const Vec fresh = Tanh(Load(input + 2 * padded + u) + Load(gate + 2 * padded + u));
      const Vec o = Sigmoid(Load(input + 3 * padded + u) + Load(gate + 3 * padded + u));
      const Vec c = f * Load(cell + u) + i * fresh;
      Store(cell + u, c);
      Store(state + u, o * Tanh(c));
      Store(keep + u, i);
      Store(keep + padded + u, f);
      Store(keep + 2 * padded + u, fresh);
      Store(keep + 3 * padded + u, o);
      Store(keep + 4 * padded + u, c);
    }
  }

  bool lstm_, repeat_;
};

REGISTER_KERNEL_BUILDER(Name("SeqappsRecurrent").Device(tensorflow::DEVICE_CPU), Recurrent);

// `gates` is the gradient of the recurrent product, for a GRU alone: an LSTM's is `projected`.
REGISTER_OP("SeqappsRecurrentGradient")
    .Input("by_hidden: float")
    .Input("by_last_h: directions * float")
    .Input("by_last_c: directions * float")
    .Input("hidden: float")
    .Input("kept: directions * float")
    .Input("kernel: directions * float")
    .Input("first_h: directions * float")
    .Input("first_c: directions * float")
    .Input("lengths: int32")
    .Attr("directions: int >= 1")
    .Attr("lstm: bool")
    .Attr("repeat: bool")
    .Output("projected: directions * float")
    .Output("gates: directions * float")
    .Output("previous: directions * float")
    .Output("by_first_h: directions * float")
    .Output("by_first_c: directions * float")
    .SetShapeFn([](InferenceContext* c) {
      int directions;
      TF_RETURN_IF_ERROR(c->GetAttr("directions", &directions));
      const DimensionHandle rows = c->Dim(c->input(0), 0), steps = c->Dim(c->input(0), 1);
      const auto kernel = c->input(2 + 3 * directions);
      for (int d = 0; d < directions; ++d) {
        c->set_output(d, c->MakeShape({rows, steps, c->Dim(kernel, 1)}));
        c->set_output(directions + d, c->MakeShape({c->UnknownDim(), steps, c->Dim(kernel, 1)}));
        c->set_output(2 * directions + d, c->MakeShape({rows, steps, c->Dim(kernel, 0)}));
        c->set_output(3 * directions + d, c->MakeShape({rows, c->Dim(kernel, 0)}));
        c->set_output(4 * directions + d, c->MakeShape({rows, c->Dim(kernel, 0)}));
      }
      return absl::OkStatus();
    });

class RecurrentGradient : public OpKernel {
 public:
  explicit RecurrentGradient(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("lstm", &lstm_));
    OP_REQUIRES_OK(context, context->GetAttr("repeat", &repeat_));
  }

  void Compute(OpKernelContext* context) override {
    OpInputList by_last_h, by_last_c, kept, kernel, first_h, first_c;
    const Tensor *by_hidden, *hidden, *lengths;
    OP_REQUIRES_OK(context, context->input("by_hidden", &by_hidden));
    OP_REQUIRES_OK(context, context->input_list("by_last_h", &by_last_h));
    OP_REQUIRES_OK(context, context->input_list("by_last_c", &by_last_c));
    OP_REQUIRES_OK(context, context->input("hidden", &hidden));
    OP_REQUIRES_OK(context, context->input_list("kept", &kept));
    OP_REQUIRES_OK(context, context->input_list("kernel", &kernel));
    OP_REQUIRES_OK(context, context->input_list("first_h", &first_h));
    OP_REQUIRES_OK(context, context->input_list("first_c", &first_c));
    OP_REQUIRES_OK(context, context->input("lengths", &lengths));
    const int directions = kernel.size(), gates = lstm_ ? 4 : 3;
    TensorShape shape = hidden->shape();
    shape.set_dim(2, hidden->dim_size(2) / directions * gates);
    Tensor like;
    OP_REQUIRES_OK(context, context->allocate_temp(tensorflow::DT_FLOAT, {shape.dim_size(0),
                            shape.dim_size(1), shape.dim_size(2)}, &like));
    const Sizes size(like, directions, lstm_);
    const Lengths ends(*lengths, size.steps);

    OpOutputList projected, gate_lists, previous, by_first_h, by_first_c;
    OP_REQUIRES_OK(context, context->output_list("projected", &projected));
    OP_REQUIRES_OK(context, context->output_list("gates", &gate_lists));
    OP_REQUIRES_OK(context, context->output_list("previous", &previous));
    OP_REQUIRES_OK(context, context->output_list("by_first_h", &by_first_h));
    OP_REQUIRES_OK(context, context->output_list("by_first_c", &by_first_c));
    std::vector<Packed> kernels;
    std::vector<Grads> grads(directions);
    for (int d = 0; d < directions; ++d) {
      Tensor *x, *g, *p, *h, *c;
      const TensorShape state({size.rows, size.units});
      OP_REQUIRES_OK(context, projected.allocate(d, shape, &x));
      const TensorShape gate_shape({lstm_ ? 0 : size.rows, size.steps, size.gates * size.units});
      OP_REQUIRES_OK(context, gate_lists.allocate(d, gate_shape, &g));
      OP_REQUIRES_OK(context, previous.allocate(d, {size.rows, size.steps, size.units}, &p));
      OP_REQUIRES_OK(context, by_first_h.allocate(d, state, &h));
      OP_REQUIRES_OK(context, by_first_c.allocate(d, state, &c));
      grads[d] = {x->flat<float>().data(), g->flat<float>().data(), p->flat<float>().data(),
                  h->flat<float>().data(), c->flat<float>().data()};
      const float* weights = kernel[d].flat<float>().data();
      kernels.emplace_back(size.gates * size.padded, size.padded, [&](int k, int n) {
        const int gate = k / size.padded, unit = k % size.padded;
        if (unit >= size.units || n >= size.units) return 0.0f;
        return weights[(n * size.gates + gate) * size.units + unit];
      });
    }
    Split(context, directions, size.rows, [&](int d, int begin, int end) {
      Walk(size, ends, d, begin, end, kernels[d], Values(*by_hidden), Values(by_last_h[d]),
           Values(by_last_c[d]), Values(*hidden), Values(kept[d]), Values(first_h[d]),
           Values(first_c[d]), grads[d]);
    });
  }

 private:
  struct Grads {
    float *projected, *gates, *previous, *first_h, *first_c;
  };

  void Walk(const Sizes& size, const Lengths& ends, int direction, int begin, int end,
            const Packed& kernel, const float* by_hidden, const float* by_last_h,
            const float* by_last_c, const float* hidden, const float* kept, const float* first_h,
            const float* first_c, const Grads& grads) const {
    const int rows = end - begin, units = size.units, padded = size.padded;
    const int width = size.gates * padded, longest = ends.Longest(begin, end);
    const size_t wide_row = static_cast<size_t>(size.gates) * units;
    std::vector<float> by_h(static_cast<size_t>(rows) * padded), by_c(by_h.size());
    std::vector<float> gates(static_cast<size_t>(rows) * width), inputs(width);
    std::vector<float> above(padded), before(padded), cell(padded);
    const size_t first_state = static_cast<size_t>(begin) * units;
    if (by_last_h) CopyState(by_last_h + first_state, rows, size, by_h.data());
    if (by_last_c) CopyState(by_last_c + first_state, rows, size, by_c.data());
    for (int step = size.steps - 1; step >= 0; --step) {
      const int time = size.Time(direction, step), earlier = direction ? time + 1 : time - 1;
      for (int row = 0; row < rows; ++row) {
        const size_t at = static_cast<size_t>(begin + row) * size.steps + time;
        const float* by_out = by_hidden + (at * size.directions + direction) * units;
        float* gate = &gates[static_cast<size_t>(row) * width];
        float* d_h = &by_h[static_cast<size_t>(row) * padded];
        const int length = ends[begin + row];
        if (time >= length) {
          if (repeat_ && direction == 0 && length > 0) {
            for (int u = 0; u < units; ++u) d_h[u] += by_out[u];
          }
          std::memset(gate, 0, sizeof(float) * width);
          std::memset(grads.projected + at * wide_row, 0, sizeof(float) * wide_row);
          if (!lstm_) std::memset(grads.gates + at * wide_row, 0, sizeof(float) * wide_row);
          std::memset(grads.previous + at * units, 0, sizeof(float) * units);
          continue;
        }
        const bool first = step == 0 || earlier >= length;
        const size_t state = static_cast<size_t>(begin + row) * units;
        const size_t past = static_cast<size_t>(begin + row) * size.steps + earlier;
        const float* h = first ? (first_h ? first_h + state : nullptr)
                               : hidden + (past * size.directions + direction) * units;
        std::memcpy(above.data(), by_out, sizeof(float) * units);
        if (h) {
          std::memcpy(before.data(), h, sizeof(float) * units);
        } else {
          std::memset(before.data(), 0, sizeof(float) * padded);
        }
        std::memcpy(grads.previous + at * units, before.data(), sizeof(float) * units);
        const float* keep = kept + at * size.kept * padded;
        if (lstm_) {
          const float* c = cell.data();
          if (!first) {
            c = kept + past * size.kept * padded + 4 * padded;
          } else if (first_c) {
            std::memcpy(cell.data(), first_c + state, sizeof(float) * units);
          } else {
            std::memset(cell.data(), 0, sizeof(float) * padded);
          }
          Lstm(keep, above.data(), c, padded, gate, d_h, &by_c[static_cast<size_t>(row) * padded]);
          Narrow(gate, size, grads.projected + at * wide_row);
        } else {
          Gru(keep, above.data(), before.data(), padded, gate, inputs.data(), d_h);
          Narrow(inputs.data(), size, grads.projected + at * wide_row);
          Narrow(gate, size, grads.gates + at * wide_row);
        }
      }
      if (time < longest) kernel.AddProduct(gates.data(), width, rows, by_h.data(), padded);
    }
    for (int row = 0; row < rows; ++row) {
      const size_t to = first_state + static_cast<size_t>(row) * units;
      std::memcpy(grads.first_h + to, &by_h[row * padded], sizeof(float) * units);
      std::memcpy(grads.first_c + to, &by_c[row * padded], sizeof(float) * units);
    }
  }

  static void Gru(const float* keep, const float* above, const float* before, int padded,
                  float* gate, float* input, float* by_h) {
    for (int u = 0; u < padded; u += kLanes) {
      const Vec by = Load(above + u) + Load(by_h + u);
      const Vec z = Load(keep + u), r = Load(keep + padded + u);
      const Vec fresh = Load(keep + 2 * padded + u), inner = Load(keep + 3 * padded + u);
      const Vec by_fresh = by * (1.0f - z) * (1.0f - fresh * fresh);
      const Vec by_z = by * (Load(before + u) - fresh) * z * (1.0f - z);
      const Vec by_r = by_fresh * inner * r * (1.0f - r);
      Store(input + u, by_z);
      Store(input + padded + u, by_r);
      Store(input + 2 * padded + u, by_fresh);
      Store(gate + u, by_z);
      Store(gate + padded + u, by_r);
      Store(gate + 2 * padded + u, by_fresh * r);
      Store(by_h + u, by * z);
    }
  }

  static void Lstm(const float* keep, const float* above, const float* cell, int padded,
                   float* gate, float* by_h, float* by_c) {
    for (int u = 0; u < padded; u += kLanes) {
      const Vec by = Load(above + u) + Load(by_h + u);
      const Vec i = Load(keep + u), f = Load(keep + padded + u);
      const Vec fresh = Load(keep + 2 * padded + u), o = Load(keep + 3 * padded + u);
      const Vec shown = Tanh(Load(keep + 4 * padded + u));
      const Vec by_cell = Load(by_c + u) + by * o * (1.0f - shown * shown);
      Store(gate + u, by_cell * fresh * i * (1.0f - i));
      Store(gate + padded + u, by_cell * Load(cell + u) * f * (1.0f - f));
      Store(gate + 2 * padded + u, by_cell * i * (1.0f - fresh * fresh));
      Store(gate + 3 * padded + u, by * shown * o * (1.0f - o));
      Store(by_c + u, by_cell * f);
      Store(by_h + u, Vec{});
    }
  }

  bool lstm_, repeat_;
};

REGISTER_KERNEL_BUILDER(Name("SeqappsRecurrentGradient").Device(tensorflow::DEVICE_CPU),
                        RecurrentGradient);

// ---- gradients of kernels ----------------------------------------------------------------------

// The product of a matrix (N, M), turned, and one (N, K), of many rows: (M, K). It is 1.7 times as
// fast as Eigen's where K is a large power of two.
REGISTER_OP("SeqappsTurnedProduct")
    .Input("turned: float")
    .Input("right: float")
    .Output("product: float")
    .SetShapeFn([](InferenceContext* c) {
      c->set_output(0, c->MakeShape({c->Dim(c->input(0), 1), c->Dim(c->input(1), 1)}));
      return absl::OkStatus();
    });

class TurnedProduct : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &turned = context->input(0), &right = context->input(1);
    const int inner = turned.dim_size(0), rows = turned.dim_size(1), outer = right.dim_size(1);
    Tensor* product;
    OP_REQUIRES_OK(context, context->allocate_output(0, {rows, outer}, &product));
    const float *from = turned.flat<float>().data(), *values = right.flat<float>().data();
    float* to = product->flat<float>().data();
    auto* workers = context->device()->tensorflow_cpu_worker_threads();
    constexpr int kStrip = kLanes * kPanel;  // columns
    const int strips = (outer + kStrip - 1) / kStrip;
    auto some = [&](int64_t begin, int64_t end) {
      Strips(from, values, inner, rows, outer, begin * kStrip,
             std::min<int>(outer, end * kStrip), to);
    };
    tensorflow::Shard(workers->num_threads, workers->workers, strips,
                      static_cast<int64_t>(inner) * rows * kPanel / 2 + 1, some);
  }

 private:
  // Columns begin..end of the product, a block of rows after the other.
  static void Strips(const float* turned, const float* right, int inner, int rows, int outer,
                     int begin, int end, float* product) {
    const int width = (end - begin + kLanes - 1) / kLanes * kLanes;
    std::vector<float> sums(static_cast<size_t>(rows) * width);
    for (int first = 0; first < inner; first += kBlock) {
      const float* corner = right + static_cast<size_t>(first) * outer + begin;
      const Packed block(std::min(kBlock, inner - first), width, [&](int k, int n) {
        return begin + n < end ? corner[static_cast<size_t>(k) * outer + n] : 0.0f;
      });
      block.AddProduct<true>(turned + static_cast<size_t>(first) * rows, rows, rows, sums.data(),
                             width);
    }
    for (int row = 0; row < rows; ++row) {
      std::memcpy(product + static_cast<size_t>(row) * outer + begin,
                  &sums[static_cast<size_t>(row) * width], sizeof(float) * (end - begin));
    }
  }

  static constexpr int kBlock = 256;
};

REGISTER_KERNEL_BUILDER(Name("SeqappsTurnedProduct").Device(tensorflow::DEVICE_CPU), TurnedProduct);

// ---- simple recurrent units -------------------------------------------------------------------

// Of parts (new, forget, show[, through]) side by side: f = sigmoid(forget + forget_bias),
// c_t = f c_(t-1) + (1 - f) new, h_t = s c_t + (1 - s) x_t with s = sigmoid(show) and x_t the input
// or, where there is one, `through`. Padding leaves c as it is. The second of two directions, half
// of the units, runs from the end.
REGISTER_OP("SeqappsSimpleRecurrent")
    .Input("parts: float")
    .Input("input: float")
    .Input("first: float")
    .Input("lengths: int32")
    .Attr("directions: int >= 1")
    .Attr("forget_bias: float")
    .Output("hidden: float")
    .Output("cells: float")
    .Output("last: float")
    .SetShapeFn([](InferenceContext* c) {
      const auto input = c->input(1);
      c->set_output(0, input);
      c->set_output(1, input);
      c->set_output(2, c->MakeShape({c->Dim(input, 0), c->Dim(input, 2)}));
      return absl::OkStatus();
    });

REGISTER_OP("SeqappsSimpleRecurrentGradient")
    .Input("by_hidden: float")
    .Input("by_last: float")
    .Input("parts: float")
    .Input("input: float")
    .Input("first: float")
    .Input("lengths: int32")
    .Input("cells: float")
    .Attr("directions: int >= 1")
    .Attr("forget_bias: float")
    .Output("by_parts: float")
    .Output("by_input: float")
    .Output("by_first: float")
    .SetShapeFn([](InferenceContext* c) {
      const auto input = c->input(3);
      c->set_output(0, c->input(2));
      c->set_output(1, input);
      c->set_output(2, c->MakeShape({c->Dim(input, 0), c->Dim(input, 2)}));
      return absl::OkStatus();
    });

// What both ways share: sizes, and the attributes.
class Simple : public OpKernel {
 public:
  explicit Simple(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("directions", &directions_));
    OP_REQUIRES_OK(context, context->GetAttr("forget_bias", &forget_bias_));
  }

 protected:
  int directions_;
  float forget_bias_;
};

class SimpleRecurrent : public Simple {
 public:
  using Simple::Simple;

  void Compute(OpKernelContext* context) override {
    const Tensor &parts = context->input(0), &input = context->input(1), &first = context->input(2);
    const int rows = input.dim_size(0), steps = input.dim_size(1), width = input.dim_size(2);
    const int units = width / directions_, stride = parts.dim_size(2);
    const Lengths ends(context->input(3), steps);
    Tensor *hidden, *cells, *last;
    OP_REQUIRES_OK(context, context->allocate_output(0, input.shape(), &hidden));
    OP_REQUIRES_OK(context, context->allocate_output(1, input.shape(), &cells));
    OP_REQUIRES_OK(context, context->allocate_output(2, {rows, width}, &last));
    const float *gates = Values(parts), *start = Values(first);
    const bool through = stride > 3 * width;
    const float* skip = Values(input);
    float *out = hidden->flat<float>().data(), *kept = cells->flat<float>().data();
    float* final = last->flat<float>().data();
    Split(context, directions_, rows, [&](int d, int begin, int end) {
      std::vector<float> cell((units + kLanes - 1) / kLanes * kLanes);
      for (int row = begin; row < end; ++row) {
        std::fill(cell.begin(), cell.end(), 0.0f);
        const size_t state = static_cast<size_t>(row) * width + d * units;
        if (start) std::memcpy(cell.data(), start + state, sizeof(float) * units);
        for (int step = 0; step < steps; ++step) {
          const int time = d ? steps - 1 - step : step;
          const size_t at = static_cast<size_t>(row) * steps + time;
          const float* gate = gates + at * stride + d * units;
          const float* x = through ? gate + 3 * width : skip + at * width + d * units;
          const bool inside = time < ends[row];
          for (int u = 0; u < units; u += kLanes) {
            const int count = units - u;
            Vec c = Load(&cell[u]);
            if (inside) {
              const Vec forget = Sigmoid(LoadSome(gate + width + u, count) + forget_bias_);
              c = forget * c + (1.0f - forget) * LoadSome(gate + u, count);
              Store(&cell[u], c);
            }
            const Vec show = Sigmoid(LoadSome(gate + 2 * width + u, count));
            StoreSome(kept + at * width + d * units + u, c, count);
            const Vec h = show * c + (1.0f - show) * LoadSome(x + u, count);
            StoreSome(out + at * width + d * units + u, h, count);
          }
        }
        std::memcpy(final + state, cell.data(), sizeof(float) * units);
      }
    });
  }
};

class SimpleRecurrentGradient : public Simple {
 public:
  using Simple::Simple;

  void Compute(OpKernelContext* context) override {
    const Tensor &parts = context->input(2), &input = context->input(3), &first = context->input(4);
    const int rows = input.dim_size(0), steps = input.dim_size(1), width = input.dim_size(2);
    const int units = width / directions_, stride = parts.dim_size(2);
    const Lengths ends(context->input(5), steps);
    Tensor *by_parts, *by_input, *by_first;
    OP_REQUIRES_OK(context, context->allocate_output(0, parts.shape(), &by_parts));
    OP_REQUIRES_OK(context, context->allocate_output(1, input.shape(), &by_input));
    OP_REQUIRES_OK(context, context->allocate_output(2, {rows, width}, &by_first));
    const float *gates = Values(parts), *start = Values(first), *skip = Values(input);
    const float *above = Values(context->input(0)), *by_last = Values(context->input(1));
    const float* cells = Values(context->input(6));
    const bool through = stride > 3 * width;
    float* to = by_parts->flat<float>().data();
    float *to_input = by_input->flat<float>().data(), *to_first = by_first->flat<float>().data();
    if (through) std::memset(to_input, 0, sizeof(float) * by_input->NumElements());
    Split(context, directions_, rows, [&](int d, int begin, int end) {
      std::vector<float> by_cell((units + kLanes - 1) / kLanes * kLanes);
      for (int row = begin; row < end; ++row) {
        std::fill(by_cell.begin(), by_cell.end(), 0.0f);
        const size_t state = static_cast<size_t>(row) * width + d * units;
        if (by_last) std::memcpy(by_cell.data(), by_last + state, sizeof(float) * units);
        for (int step = steps - 1; step >= 0; --step) {
          const int time = d ? steps - 1 - step : step, earlier = d ? time + 1 : time - 1;
          const size_t at = static_cast<size_t>(row) * steps + time;
          const size_t place = at * width + d * units;
          const float* gate = gates + at * stride + d * units;
          float* by_gate = to + at * stride + d * units;
          const float* x = through ? gate + 3 * width : skip + place;
          float* by_x = through ? by_gate + 3 * width : to_input + place;
          const float* before = start ? start + state : nullptr;
          if (step > 0) {
            before = cells + (static_cast<size_t>(row) * steps + earlier) * width + d * units;
          }
          const bool inside = time < ends[row];
          for (int u = 0; u < units; u += kLanes) {
            const int count = units - u;
            const Vec by = LoadSome(above + place + u, count);
            const Vec show = Sigmoid(LoadSome(gate + 2 * width + u, count));
            const Vec c = LoadSome(cells + place + u, count);
            StoreSome(by_x + u, by * (1.0f - show), count);
            StoreSome(by_gate + 2 * width + u,
                      by * (c - LoadSome(x + u, count)) * show * (1.0f - show), count);
            const Vec by_c = Load(&by_cell[u]) + by * show;
            if (!inside) {
              Store(&by_cell[u], by_c);
              StoreSome(by_gate + u, Vec{}, count);
              StoreSome(by_gate + width + u, Vec{}, count);
              continue;
            }
            const Vec forget = Sigmoid(LoadSome(gate + width + u, count) + forget_bias_);
            const Vec past = before ? LoadSome(before + u, count) : Vec{};
            const Vec fresh = LoadSome(gate + u, count);
            StoreSome(by_gate + u, by_c * (1.0f - forget), count);
            StoreSome(by_gate + width + u, by_c * (past - fresh) * forget * (1.0f - forget), count);
            Store(&by_cell[u], by_c * forget);
          }
        }
        std::memcpy(to_first + state, by_cell.data(), sizeof(float) * units);
      }
    });
  }
};

REGISTER_KERNEL_BUILDER(Name("SeqappsSimpleRecurrent").Device(tensorflow::DEVICE_CPU),
                        SimpleRecurrent);
REGISTER_KERNEL_BUILDER(Name("SeqappsSimpleRecurrentGradient").Device(tensorflow::DEVICE_CPU),
                        SimpleRecurrentGradient);

}  // namespace
}  // namespace seqapps
