// Checks, GIL and error mapping of METEOR's aligner; nothing else.
#include "seqnative/meteor.hpp"

#include <pybind11/numpy.h>

#include <string>

#include "bindings.hpp"

namespace py = pybind11;

namespace {

template <typename Value>
using Array = py::array_t<Value, py::array::c_style>;

template <typename Value>
seqnative::ArrayView<Value> view(const char* name, const Array<Value>& array) {
  if (array.ndim() != 1) {
    const std::string shape = py::str(array.attr("shape"));
    throw std::invalid_argument(std::string(name) + " must have one dimension, got shape " + shape);
  }
  return {array.data(), array.size()};
}

seqnative::MeteorAligner make_aligner(
    const Array<std::uint32_t>& first_words, const Array<std::uint32_t>& left_starts,
    const Array<std::uint16_t>& left_words, const Array<std::uint32_t>& entry_starts,
    const Array<std::uint32_t>& entry_counts, const Array<std::uint32_t>& right_starts,
    const Array<std::uint8_t>& right_lengths, const Array<std::uint16_t>& right_words) {
  return seqnative::MeteorAligner(
      {view("first_words", first_words), view("left_starts", left_starts),
       view("left_words", left_words), view("entry_starts", entry_starts),
       view("entry_counts", entry_counts), view("right_starts", right_starts),
       view("right_lengths", right_lengths), view("right_words", right_words)});
}

Array<std::int64_t> statistics(
    const seqnative::MeteorAligner& self, const Array<std::int64_t>& starts,
    const Array<std::int32_t>& words, const Array<std::int32_t>& stems,
    const Array<std::int32_t>& table_words, const Array<std::uint8_t>& is_function,
    const Array<std::int64_t>& synset_starts, const Array<std::int32_t>& synsets,
    const Array<std::int64_t>& hypotheses, const Array<std::int64_t>& references) {
  const seqnative::SentenceArrays sentences{view("starts", starts),
                                            view("words", words),
                                            view("stems", stems),
                                            view("table_words", table_words),
                                            view("is_function", is_function),
                                            view("synset_starts", synset_starts),
                                            view("synsets", synsets)};
  const std::int64_t num_pairs = view("hypotheses", hypotheses).size;
  if (view("references", references).size != num_pairs) {
    throw std::invalid_argument("hypotheses and references must have the same length");
  }
  Array<std::int64_t> result({num_pairs, seqnative::kMeteorStatistics});
  std::int64_t* output = result.mutable_data();
  {
    const py::gil_scoped_release release;
    self.statistics(sentences, hypotheses.data(), references.data(), num_pairs, output);
  }
  return result;
}

}  // namespace

void bind_meteor(py::module_& module) {
  using Aligner = seqnative::MeteorAligner;
  py::class_<Aligner>(module, "MeteorAligner",
                      "Aligns pairs of captions; the twin of vidmetrics.meteor_align.")
      .def(py::init([] { return Aligner({}); }), "Without paraphrases.")
      .def(py::init(&make_aligner), py::kw_only(), py::arg("first_words").noconvert(),
           py::arg("left_starts").noconvert(), py::arg("left_words").noconvert(),
           py::arg("entry_starts").noconvert(), py::arg("entry_counts").noconvert(),
           py::arg("right_starts").noconvert(), py::arg("right_lengths").noconvert(),
           py::arg("right_words").noconvert(), py::keep_alive<1, 2>(), py::keep_alive<1, 3>(),
           py::keep_alive<1, 4>(), py::keep_alive<1, 5>(), py::keep_alive<1, 6>(),
           py::keep_alive<1, 7>(), py::keep_alive<1, 8>(), py::keep_alive<1, 9>(),
           "With the paraphrase table, which it keeps alive.")
      .def("statistics", &statistics, py::kw_only(), py::arg("starts").noconvert(),
           py::arg("words").noconvert(), py::arg("stems").noconvert(),
           py::arg("table_words").noconvert(), py::arg("is_function").noconvert(),
           py::arg("synset_starts").noconvert(), py::arg("synsets").noconvert(),
           py::arg("hypotheses").noconvert(), py::arg("references").noconvert(),
           "(pairs, 23) METEOR statistics of pairs of sentence numbers, without the GIL.");
}
